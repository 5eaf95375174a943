//! A homeserver that is given by its name: `.well-known` leads to it over TLS, and never the token to plain HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use grafana_matrix_relay::standin::{Homeserver, NewRoom, RunningHomeserver};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::app::firing;
use crate::between::reason;
use crate::support::relay::Setup;
use crate::support::tls;

/// The name that the relay is given. Its certificate is good for that name, and no DNS is asked: a proxy leads there.
const NAME: &str = "example.org";

/// The heads of the requests that came to a server.
type Heads = Arc<Mutex<Vec<String>>>;

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// A server that notes each request, and answers each path with what `answer` makes of it.
async fn server(answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(head) = read_head(&mut stream).await else {
                continue;
            };
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            noted.lock().unwrap().push(head);
            drop(stream.write_all(answer(&path).as_bytes()).await);
        }
    });
    (address, heads)
}

/// A proxy that connects to `named` whoever asks for the name, and the others to the address that they ask for.
async fn proxy(named: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let head = read_head(&mut client).await?;
                let asked = head.strip_prefix("CONNECT ")?.split(' ').next()?;
                let target = if asked == format!("{NAME}:443") {
                    named
                } else {
                    asked.parse().ok()?
                };
                let mut server = TcpStream::connect(target).await.ok()?;
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()
            });
        }
    });
    address
}

fn json_answer(body: &serde_json::Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
}

fn delegation(base: &str) -> String {
    json_answer(&json!({"m.homeserver": {"base_url": base}}))
}

struct Stage {
    homeserver: RunningHomeserver,
    /// Its base URL with TLS.
    base: String,
    room: String,
    token: String,
}

impl Stage {
    async fn new() -> Self {
        let homeserver = Homeserver::new(NAME);
        let token = homeserver.login("bot", "RELAY");
        let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
        let running = homeserver.start().await.unwrap();
        let behind = running.base_url.strip_prefix("http://").unwrap().parse().unwrap();
        let base = format!("https://{}", tls::before("server.pem", behind).await);
        Self {
            homeserver: running,
            base,
            room,
            token,
        }
    }

    /// A relay that knows the name only; the server of that name answers so.
    async fn setup(&self, answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> (Setup, Heads) {
        let (named, heads) = server(answer).await;
        let proxy = proxy(tls::before("server.pem", named).await).await;
        let setup = Setup::bare()
            .env("MATRIX_HOME_SERVER_URL", NAME)
            .env("MATRIX_ACCESS_TOKEN", &self.token)
            .env("MATRIX_DEFAULT_ROOM", &self.room)
            .env("SSL_CERT_FILE", &tls::file("ca.pem").display().to_string())
            .env("HTTPS_PROXY", &format!("http://{proxy}"));
        (setup, heads)
    }

    async fn has_a_message(&self) {
        let mut changes = self.homeserver.homeserver.changes();
        while self.homeserver.homeserver.messages(&self.room).is_empty() {
            changes.changed().await.unwrap();
        }
    }

    fn must_be_without_token(&self, heads: &Heads) {
        let heads = heads.lock().unwrap();
        assert!(!heads.is_empty());
        for head in heads.iter() {
            let lower = head.to_lowercase();
            assert!(
                !lower.contains("authorization") && !head.contains(&self.token),
                "{head}"
            );
        }
    }
}

#[tokio::test]
async fn a_name_leads_to_its_homeserver_and_its_own_server_never_sees_the_token() {
    let stage = Stage::new().await;
    let base = stage.base.clone();
    // Redirects are followed, as the specification says, while they stay with TLS.
    let answer = move |path: &str| match path {
        "/.well-known/matrix/client" => redirect(&format!("https://{NAME}/moved")),
        "/moved" => delegation(&base),
        _ => "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(),
    };
    let (setup, heads) = stage.setup(answer).await;
    let relay = setup.start().await;
    relay.accepts(&firing("Through")).await;
    stage.has_a_message().await;
    stage.must_be_without_token(&heads);
    let paths: Vec<String> = heads
        .lock()
        .unwrap()
        .iter()
        .map(|head| head.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["/.well-known/matrix/client", "/moved"]);
}

#[tokio::test]
async fn neither_a_base_url_nor_a_redirect_leads_to_plain_http() {
    let stage = Stage::new().await;
    // It would answer as a homeserver does, were it asked.
    let (plain, seen) = server(|path| match path {
        "/.well-known/matrix/client" => delegation("http://127.0.0.1:1"),
        _ => json_answer(&json!({"versions": ["v1.11"], "user_id": "@bot:example.org", "device_id": "RELAY"})),
    })
    .await;
    let plain = format!("http://{plain}");
    for answer in [
        delegation(&plain),
        redirect(&format!("{plain}/.well-known/matrix/client")),
        redirect(&format!("HTTP://{}/", plain.trim_start_matches("http://"))),
    ] {
        let said = answer.clone();
        let (setup, heads) = stage.setup(move |_| said.clone()).await;
        let relay = setup.start().await;
        let text = reason(&relay).await;
        assert!(
            text.contains("plain HTTP") && text.contains("MATRIX_HOME_SERVER_URL"),
            "{text}"
        );
        // It is accepted, and kept.
        relay.accepts(&firing("Kept")).await;
        stage.must_be_without_token(&heads);
        relay.terminate();
    }
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new());
}
