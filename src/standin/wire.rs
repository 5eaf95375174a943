//! The network side of the stand-in: a listener that can go away and come back on its port, and connections that can
//! be cut in the middle of an answer.
//!
//! Guarantees: while it does not listen, connecting is refused at once and no other program takes the port.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use poem::Addr;
use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// The connections that the homeserver keeps: which connections there are, and whether to listen.
#[derive(Debug)]
pub(super) struct Connections {
    wires: Mutex<HashMap<SocketAddr, Arc<Cut>>>,
    wanted: watch::Sender<bool>,
    actual: watch::Sender<bool>,
    open: watch::Sender<usize>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            wires: Mutex::default(),
            wanted: watch::Sender::new(true),
            actual: watch::Sender::new(true),
            open: watch::Sender::new(0),
        }
    }
}

impl Connections {
    /// Listens or stops listening; returns when that is so. Stopping cuts all connections and
    /// waits until they are gone.
    pub(super) async fn listen(&self, on: bool) {
        self.wanted.send_replace(on);
        // The sender lives in `self`, so this ends with the state and not with an error.
        let _ = self.actual.subscribe().wait_for(|actual| *actual == on).await;
        if !on {
            self.cut_all();
            let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
        }
    }

    /// Closes the connection with this peer.
    pub(super) fn cut(&self, peer: SocketAddr) {
        if let Some(cut) = self.wires().remove(&peer) {
            cut.now();
        }
    }

    /// Closes all connections.
    pub(super) fn cut_all(&self) {
        for (_, cut) in self.wires().drain() {
            cut.now();
        }
    }

    fn wires(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<Cut>>> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Cut {
    done: AtomicBool,
    waker: AtomicWaker,
}

impl Cut {
    fn now(&self) {
        self.done.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// Accepts connections while the connections says so.
pub(super) struct Listening {
    connections: Arc<Connections>,
    address: SocketAddr,
    wanted: watch::Receiver<bool>,
    port: Port,
}

enum Port {
    Open(TcpListener),
    /// Bound, so that nobody else gets it, but not listening, so that connecting is refused.
    Held(TcpSocket),
}

impl Listening {
    pub(super) fn new(listener: TcpListener, connections: Arc<Connections>) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            wanted: connections.wanted.subscribe(),
            connections,
            port: Port::Open(listener),
        })
    }

    fn hold(&mut self) -> io::Result<()> {
        let socket = if self.address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        // Dropping the old listener first: two sockets cannot have the port.
        drop(std::mem::replace(&mut self.port, Port::Held(socket)));
        if let Port::Held(socket) = &self.port {
            socket.bind(self.address)?;
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        let spare = TcpSocket::new_v4()?;
        if let Port::Held(socket) = std::mem::replace(&mut self.port, Port::Held(spare)) {
            self.port = Port::Open(socket.listen(1024)?);
        }
        Ok(())
    }
}

impl Acceptor for Listening {
    type Io = Wire;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![LocalAddr(Addr::socket(self.address))]
    }

    async fn accept(&mut self) -> io::Result<(Wire, LocalAddr, RemoteAddr, Scheme)> {
        loop {
            let wanted = *self.wanted.borrow_and_update();
            match (&self.port, wanted) {
                (Port::Open(_), false) => self.hold()?,
                (Port::Held(_), true) => self.open()?,
                _ => {}
            }
            self.connections.actual.send_replace(wanted);
            let Port::Open(listener) = &self.port else {
                if self.wanted.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            };
            tokio::select! {
                _ = self.wanted.changed() => {}
                accepted = listener.accept() => {
                    let (stream, peer) = accepted?;
                    stream.set_nodelay(true)?;
                    let cut = Arc::new(Cut::default());
                    self.connections.wires().insert(peer, cut.clone());
                    self.connections.open.send_modify(|open| *open += 1);
                    let wire = Wire { stream, peer, cut, connections: self.connections.clone() };
                    let local = LocalAddr(Addr::socket(self.address));
                    return Ok((wire, local, RemoteAddr(Addr::socket(peer)), Scheme::HTTP));
                }
            }
        }
    }
}

/// A connection that breaks when it is cut.
pub(super) struct Wire {
    stream: TcpStream,
    peer: SocketAddr,
    cut: Arc<Cut>,
    connections: Arc<Connections>,
}

impl Wire {
    fn broken(&self, cx: &Context<'_>) -> io::Result<()> {
        self.cut.waker.register(cx.waker());
        if self.cut.done.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut wires = self.connections.wires();
        // The peer's port may already belong to its next connection.
        if wires.get(&self.peer).is_some_and(|cut| Arc::ptr_eq(cut, &self.cut)) {
            wires.remove(&self.peer);
        }
        self.connections.open.send_modify(|open| *open -= 1);
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.broken(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.broken(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.broken(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
