//! The connections: how many there are, and how long and how large what comes before a body may be.
//!
//! Guarantees: no more connections than configured are open, and the others wait in the kernel's queue; a request's head
//! arrives within its time and its size, or the connection ends; a peer that does not read its answer does not hold the
//! connection for ever; at shutdown requests in flight finish within the grace period. A failed accept, such as without
//! file descriptors, is waited out.
//!
//! HTTP/1.1 only: what sits in front of the relay speaks it, and one connection then carries one request at a time,
//! which is what makes the number of connections a bound.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::endpoint::BoxEndpoint;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint as _, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a peer may leave an answer unread.
const UNREAD: Duration = Duration::from_secs(30);
/// How long to wait after an accept that failed, for whatever it lacks.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// hyper's own least size of a connection's buffer.
const LEAST_BUFFER: usize = 8192;

/// Bounds on connections and on what comes before a body.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionSettings {
    /// Connections that are open at once.
    pub max_connections: usize,
    /// Headers of one request.
    pub max_headers: usize,
    /// Bytes of the request line and all headers.
    pub max_header_bytes: usize,
    /// How long these may take to arrive; also how long a connection may be idle between requests.
    pub header_time: Duration,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_headers: 100,
            max_header_bytes: 32 * 1024,
            // A sender that uses its connection again must not meet the moment in which it is closed: intervals of
            // notifications are multiples of ten seconds.
            header_time: Duration::from_secs(37),
        }
    }
}

/// What each connection is served with.
struct Server {
    endpoint: BoxEndpoint<'static, Response>,
    http: http1::Builder,
    local: LocalAddr,
    stop: CancellationToken,
    /// Cancelled when the grace period is over.
    end: CancellationToken,
}

/// Serves until `stop`, then lets requests in flight finish within `grace`.
pub async fn serve(
    listener: TcpListener,
    endpoint: BoxEndpoint<'static, Response>,
    settings: ConnectionSettings,
    stop: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.header_time)
        .max_headers(settings.max_headers)
        .max_header_size(settings.max_header_bytes)
        .max_buf_size(settings.max_header_bytes.max(LEAST_BUFFER) * 2);
    let server = Arc::new(Server {
        endpoint,
        http,
        local: LocalAddr(Addr::SocketAddr(listener.local_addr()?)),
        stop: stop.clone(),
        end: CancellationToken::new(),
    });
    let places = Arc::new(Semaphore::new(
        settings.max_connections.clamp(1, Semaphore::MAX_PERMITS),
    ));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let server = Arc::clone(&server);
                connections.spawn(async move {
                    server.connection(stream, peer).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(error.message = %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        server.end.cancel();
        connections.wait().await;
    }
    Ok(())
}

impl Server {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        // An answer is small and whole; waiting to fill a packet only delays it.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(UNREAD));
        let service = service_fn(|request: Request<Incoming>| {
            let remote = RemoteAddr(Addr::SocketAddr(peer));
            let request = (request, self.local.clone(), remote, Scheme::HTTP).into();
            async {
                Ok::<hyper::Response<_>, std::convert::Infallible>(self.endpoint.get_response(request).await.into())
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = &mut connection => ended,
                    () = self.end.cancelled() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            // The peer's doing, all of it: a broken head, a timeout, a connection that was cut.
            tracing::debug!(error.message = %error, "a connection ended early");
        }
    }
}
