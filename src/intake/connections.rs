//! The connections: how many there are, and how long and how large what comes before a body may be.
//!
//! Guarantees: no more connections than configured are open, a few for health checks, and one that waits for its place; the
//! others wait in the kernel's queue. Which one ends for another: see `table`. A request's head
//! arrives within its time and its size, or the connection ends; a peer that does not read its answer does not hold the
//! connection for ever; at shutdown requests in flight finish within the grace period. A failed accept, such as without
//! file descriptors, is waited out.
//!
//! HTTP/1.1 only: what sits in front of the relay speaks it, and one connection then carries one request at a time,
//! which is what makes the number of connections a bound.

mod table;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use poem::endpoint::BoxEndpoint;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint as _, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use self::table::Connection;
use self::table::{Open, Table};
use super::auth::Auth;
use super::client::party;
use super::refusals::Refusals;

/// How long a peer may leave an answer unread.
const UNREAD: Duration = Duration::from_secs(30);
/// How long to wait after an accept that failed, for whatever it lacks.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How often it is looked whether there is something to say of what was left out of the log.
const SUMMARIES: Duration = Duration::from_secs(5);
/// hyper's own least size of a connection's buffer.
const LEAST_BUFFER: usize = 8192;

/// Bounds on connections and on what comes before a body.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionSettings {
    /// Connections that are open at once, beside a few for health checks.
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
    auth: Arc<Auth>,
    stop: CancellationToken,
    /// Cancelled when the grace period is over.
    end: CancellationToken,
}

/// Serves until `stop`, then lets requests in flight finish within `grace`.
pub async fn serve(
    listener: TcpListener,
    endpoint: BoxEndpoint<'static, Response>,
    settings: ConnectionSettings,
    auth: Arc<Auth>,
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
        auth,
        stop: stop.clone(),
        end: CancellationToken::new(),
    });
    let connections = TaskTracker::new();
    tokio::select! {
        () = stop.cancelled() => {}
        () = accept(&listener, &server, settings.max_connections, &connections) => {}
        () = summarise(&server.auth.refusals) => {}
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        server.end.cancel();
        connections.wait().await;
    }
    server.auth.refusals.summarise(None);
    Ok(())
}

/// Accepts for ever.
async fn accept(listener: &TcpListener, server: &Arc<Server>, max_connections: usize, connections: &TaskTracker) {
    let table = Table::new(max_connections);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let open = table.enter(party(peer.ip().to_canonical())).await;
                let server = Arc::clone(server);
                connections.spawn(async move { server.connection(stream, peer, open).await });
            }
            Err(error) => {
                if server
                    .auth
                    .refusals
                    .may_be_logged(None, "not accepted", Timestamp::now())
                {
                    tracing::warn!(error.message = %error, "cannot accept a connection");
                }
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Says for ever what was left out of the log.
async fn summarise(refusals: &Refusals) {
    loop {
        tokio::time::sleep(SUMMARIES).await;
        refusals.summarise(Some(Timestamp::now()));
    }
}

impl Server {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr, open: Open) {
        // An answer is small and whole; waiting to fill a packet only delays it.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(UNREAD));
        let service = service_fn(|mut request: Request<Incoming>| {
            let connection = Arc::clone(&open.0);
            connection.begin(Instant::now());
            request.extensions_mut().insert(Arc::clone(&connection));
            let remote = RemoteAddr(Addr::SocketAddr(peer));
            let request = (request, self.local.clone(), remote, Scheme::HTTP).into();
            async move {
                let response = self.endpoint.get_response(request).await;
                connection.end(Instant::now());
                Ok::<hyper::Response<_>, std::convert::Infallible>(response.into())
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        tokio::pin!(connection);
        let ended = loop {
            tokio::select! {
                // A request that is here is seen before anything is given up for another.
                biased;
                ended = &mut connection => break ended,
                () = open.0.asked() => {
                    if let Some(client) = open.0.goes() {
                        self.gave_way(client);
                        break Ok(());
                    }
                }
                () = self.stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    break tokio::select! {
                        ended = &mut connection => ended,
                        () = self.end.cancelled() => Ok(()),
                    };
                }
            }
        };
        if let Err(error) = ended {
            // The peer's doing, all of it: a broken head, a timeout, a connection that was cut.
            tracing::debug!(error.message = %error, "a connection ended early");
        }
    }

    fn gave_way(&self, client: std::net::IpAddr) {
        metrics::counter!("grafana_matrix_relay_connections_closed_total").increment(1);
        if self
            .auth
            .refusals
            .may_be_logged(Some(client), "closed", Timestamp::now())
        {
            tracing::warn!(
                client.ip = %client,
                "the relay closed a connection of {client} to accept another one: it had shown no credential, and no other address holds more such connections or bodies (RELAY_MAX_CONNECTIONS, RELAY_MAX_BODIES_BYTES)"
            );
        }
    }
}
