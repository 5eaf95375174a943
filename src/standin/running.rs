//! The stand-in while it listens: starting, refusing connections for a while, stopping.
//!
//! Guarantees: it listens where it should, stays on that port, and nothing of it runs after a shutdown.

use std::io;
use std::net::Ipv4Addr;

use poem::Server;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::wire::Listening;
use super::{Homeserver, api};

impl Homeserver {
    /// Starts to listen on a free port of loopback.
    pub async fn start(&self) -> io::Result<RunningHomeserver> {
        self.serve(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
    }

    /// Starts to serve on a listener; only once per homeserver.
    pub fn serve(&self, listener: TcpListener) -> io::Result<RunningHomeserver> {
        let base_url = format!("http://{}", listener.local_addr()?);
        self.change(|world| world.base_url.clone_from(&base_url));
        let listening = Listening::new(listener, self.connections.clone())?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new_with_acceptor(listening)
            .name("stand-in homeserver")
            .run_with_graceful_shutdown(api::routes(self.clone()), async { stopped.await.unwrap_or(()) }, None);
        Ok(RunningHomeserver {
            base_url,
            homeserver: self.clone(),
            stop: Some(stop),
            task: tokio::spawn(server),
        })
    }
}

/// A homeserver that listens; dropping it stops it.
#[derive(Debug)]
pub struct RunningHomeserver {
    /// Where it listens, as a client's base URL.
    pub base_url: String,
    /// Its state.
    pub homeserver: Homeserver,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

impl RunningHomeserver {
    /// Stops listening, on the same port until [`Self::accept_again`]: connecting is refused, connections break.
    pub async fn refuse(&self) {
        self.homeserver.connections().listen(false).await;
    }

    /// Listens again.
    pub async fn accept_again(&self) {
        self.homeserver.connections().listen(true).await;
    }

    /// Breaks all connections; new ones are welcome.
    pub fn cut_connections(&self) {
        self.homeserver.connections().cut_all();
    }

    /// Stops it and returns when nothing of it runs any more.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.stop_now();
        (&mut self.task).await.map_err(io::Error::other)?
    }

    fn stop_now(&mut self) {
        self.homeserver.stopped.send_replace(true);
        if let Some(stop) = self.stop.take() {
            // The server may have ended by itself, then there is nobody to tell.
            let _ = stop.send(());
        }
        self.cut_connections();
    }
}

impl Drop for RunningHomeserver {
    fn drop(&mut self) {
        self.stop_now();
    }
}
