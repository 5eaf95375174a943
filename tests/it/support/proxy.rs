//! A TCP proxy before a homeserver, which loses the answers to sends: the event is in the room, and nobody hears of it. It can
//! also refuse requests by their path, in the homeserver's place.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards everything else.
pub(crate) struct Proxy {
    /// Where it listens, as a homeserver's base URL.
    pub(crate) base_url: String,
    state: Arc<State>,
}

struct State {
    /// How many more answers are lost.
    to_lose: watch::Sender<u32>,
    lost: watch::Sender<u32>,
    /// What is refused: a part of the path, and the status.
    refused: Mutex<Option<(String, u16)>>,
    /// What stops: a part of the path, and whether the homeserver still gets it.
    stops: Mutex<Option<(String, bool)>>,
    stopped: watch::Sender<u32>,
    /// Whether the connection stays open without the answer, instead of being closed.
    silent: bool,
}

impl Proxy {
    /// Closes the connection in place of an answer.
    pub(crate) async fn closing(homeserver: &str) -> Self {
        Self::before(homeserver, false).await
    }

    /// Answers nothing, and leaves the connection open.
    pub(crate) async fn silent(homeserver: &str) -> Self {
        Self::before(homeserver, true).await
    }

    async fn before(homeserver: &str, silent: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let server = homeserver
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let state = Arc::new(State {
            to_lose: watch::Sender::new(0),
            lost: watch::Sender::new(0),
            refused: Mutex::default(),
            stops: Mutex::default(),
            stopped: watch::Sender::new(0),
            silent,
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A homeserver that is down refuses, and so does this.
                if let Ok(server) = TcpStream::connect(&server).await {
                    tokio::spawn(pass(client, server, Arc::clone(&shared)));
                }
            }
        });
        Self { base_url, state }
    }

    /// Loses the answers to the next so many sends.
    pub(crate) fn lose(&self, answers: u32) {
        self.state.to_lose.send_replace(answers);
    }

    /// Answers requests whose path has this part by this status from now on.
    pub(crate) fn refuse(&self, path: &str, status: u16) {
        *self.state.refused.lock().unwrap() = Some((path.to_owned(), status));
    }

    /// Leaves the next request whose path has this part without an answer; the homeserver gets it, if it `reaches` that.
    pub(crate) fn stop_at(&self, path: &str, reaches: bool) {
        *self.state.stops.lock().unwrap() = Some((path.to_owned(), reaches));
    }

    /// Waits until so many requests have stopped in all, whether before the homeserver or behind it.
    pub(crate) async fn has_stopped(&self, requests: u32) {
        let mut stopped = self.state.stopped.subscribe();
        stopped.wait_for(|stopped| *stopped >= requests).await.unwrap();
    }

    /// Lets everything pass again.
    pub(crate) fn refuse_nothing(&self) {
        *self.state.refused.lock().unwrap() = None;
    }

    /// Waits until so many have been lost in all.
    pub(crate) async fn has_lost(&self, answers: u32) {
        let mut lost = self.state.lost.subscribe();
        lost.wait_for(|lost| *lost >= answers).await.unwrap();
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, state: Arc<State>) {
    let (mut request, mut answer) = (vec![0; 128 * 1024], vec![0; 128 * 1024]);
    let (mut loses, mut stops) = (false, false);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(count @ 1..) = read else { return };
                // One connection carries one request at a time, and its head comes in one piece.
                if let Some(answer) = refusal(&request[..count], &state) {
                    let _told = client.write_all(answer.as_bytes()).await;
                    return;
                }
                match stop(&request[..count], &state) {
                    None => {}
                    Some(true) => stops = true,
                    Some(false) => {
                        state.stopped.send_modify(|stopped| *stopped += 1);
                        std::future::pending::<()>().await;
                    }
                }
                if is_send(&request[..count]) {
                    loses = state.to_lose.send_if_modified(|left| {
                        let some = *left > 0;
                        *left = left.saturating_sub(1);
                        some
                    });
                }
                if server.write_all(&request[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                if stops {
                    state.stopped.send_modify(|stopped| *stopped += 1);
                    std::future::pending::<()>().await;
                }
                if loses {
                    state.lost.send_modify(|lost| *lost += 1);
                    if state.silent {
                        std::future::pending::<()>().await;
                    }
                    return;
                }
                if client.write_all(&answer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether a request is to stop, and if so, whether the homeserver gets it.
fn stop(bytes: &[u8], state: &State) -> Option<bool> {
    let line = String::from_utf8_lossy(first_line(bytes)).into_owned();
    let mut stops = state.stops.lock().unwrap();
    let (_, reaches) = stops.take_if(|(path, _)| line.contains(path.as_str()))?;
    Some(reaches)
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == b'\r').next().unwrap_or_default()
}

fn is_send(bytes: &[u8]) -> bool {
    let line = first_line(bytes);
    line.starts_with(b"PUT ") && line.windows(6).any(|part| part == b"/send/")
}

fn refusal(bytes: &[u8], state: &State) -> Option<String> {
    let line = std::str::from_utf8(first_line(bytes)).ok()?;
    let status = state
        .refused
        .lock()
        .unwrap()
        .as_ref()
        .filter(|(path, _)| line.contains(path.as_str()))?
        .1;
    let errcode = if status == 429 { "M_LIMIT_EXCEEDED" } else { "M_UNKNOWN" };
    let body = format!(r#"{{"errcode":"{errcode}","error":"told to refuse"}}"#);
    Some(format!(
        "HTTP/1.1 {status} Refused\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}
