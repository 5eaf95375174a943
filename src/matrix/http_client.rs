//! Requests of ruma's types over HTTP by reqwest, and their answers back.
//!
//! Guarantees: a call ends within the timeout; an answer of any size, status and content becomes a value or a
//! [`Failure`]; the token goes to no other address, because redirects are not followed, and is taken out of an answer that
//! repeats it before anything reads that. It does not retry.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::header::AUTHORIZATION;
use reqwest::redirect::Policy;
use ruma::api::auth_scheme::{AuthScheme, SendAccessToken};
use ruma::api::error::{Error, FromHttpResponseError};
use ruma::api::path_builder::{PathBuilder, SinglePath, VersionHistory};
use ruma::api::{IncomingResponse, MatrixVersion, OutgoingRequest, SupportedVersions};
use secrecy::{ExposeSecret, SecretString};

use super::answer::Answer;
use super::clean;
use super::failure::Failure;
use super::tls::client_builder;
use super::verdict::{RequestKind, TokenTrouble, Verdict};

/// An event is at most 64 KiB, so hardly an answer comes near this.
pub(super) const ANSWER_LIMIT: usize = 1 << 20;

/// What grows with the members of a room and their devices.
pub(super) const LARGE_ANSWER_LIMIT: usize = 16 << 20;

/// How long a connection may be silent, and what was sent unconfirmed, until it counts as dead and is not used again.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How many connections stay open for the next request.
const IDLE: usize = 32;

/// The HTTP side of the client.
pub(super) struct HttpClient {
    http: reqwest::Client,
    timeout: Duration,
}

impl HttpClient {
    /// Builds the pool; `direct` bypasses proxies, which never lead to this very machine.
    pub(super) fn new(timeout: Duration, redirects: Policy, direct: bool) -> reqwest::Result<Self> {
        let mut builder = client_builder()
            .user_agent(concat!("grafana-matrix-relay/", env!("CARGO_PKG_VERSION")))
            .redirect(redirects)
            .referer(false)
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            // Requests of HTTP/2 share a connection that takes about a hundred at a time: those that hang would keep the others
            // waiting behind them.
            .http1_only()
            .pool_max_idle_per_host(IDLE)
            .tcp_keepalive(KEEP_ALIVE)
            .tcp_keepalive_interval(KEEP_ALIVE);
        #[cfg(target_os = "linux")]
        {
            builder = builder.tcp_user_timeout(2 * KEEP_ALIVE);
        }
        if direct {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build()?,
            timeout,
        })
    }

    /// Carries out one request. Without a token only requests that need none succeed.
    pub(super) async fn call<R: Endpoint>(
        &self,
        base: &str,
        token: Option<&SecretString>,
        kind: RequestKind,
        request: R,
    ) -> Result<R::IncomingResponse, Failure> {
        self.call_within(ANSWER_LIMIT, base, token, kind, request).await
    }

    /// The same for an answer of at most so many bytes; one that is larger counts as unreadable.
    pub(super) async fn call_within<R: Endpoint>(
        &self,
        limit: usize,
        base: &str,
        token: Option<&SecretString>,
        kind: RequestKind,
        request: R,
    ) -> Result<R::IncomingResponse, Failure> {
        let secret = token.map_or(SendAccessToken::None, |token| {
            SendAccessToken::IfRequired(token.expose_secret())
        });
        let mut request: http::Request<Vec<u8>> = request
            .try_into_http_request(base, secret, R::PathBuilder::input())
            // The error may quote the header that holds the token, so only its kind is said.
            .map_err(|_| Failure::without_answer(Verdict::Token(TokenTrouble::WrongAddress), "no valid request"))?;
        if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
            value.set_sensitive(true);
        }
        let secret = token.map_or("", |token| token.expose_secret());
        let response = self.exchange_within(limit, request, &[secret]).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // ruma takes every status below 400 for a success, but a redirect is none: it is not followed.
        if !(200..300).contains(&status) && status < 400 {
            let answer = Answer::read(status, &headers, &not_json(), SystemTime::now());
            return Err(Failure::answered(kind, answer));
        }
        R::IncomingResponse::try_from_http_response(response).map_err(|error| match error {
            FromHttpResponseError::Server(error) => {
                let answer = Answer::read(status, &headers, &error.body, SystemTime::now());
                Failure::answered(kind, answer)
            }
            FromHttpResponseError::Deserialization(_) => Failure::unreadable(status, "not what the endpoint answers"),
            _ => Failure::unreadable(status, "unknown"),
        })
    }

    /// Carries out a request of any kind; its own URL is in no failure, and none of the secrets in the answer.
    pub(super) async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
        secrets: &[&str],
    ) -> Result<http::Response<Vec<u8>>, Failure> {
        self.exchange_within(ANSWER_LIMIT, request, secrets).await
    }

    async fn exchange_within(
        &self,
        limit: usize,
        request: http::Request<Vec<u8>>,
        secrets: &[&str],
    ) -> Result<http::Response<Vec<u8>>, Failure> {
        let transport = |error: &reqwest::Error| Failure::transport(error, self.timeout);
        let request = reqwest::Request::try_from(request).map_err(|error| transport(&error))?;
        let mut answer = self.http.execute(request).await.map_err(|error| transport(&error))?;
        let (status, mut headers, mut body) = (answer.status(), answer.headers().clone(), Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(|error| transport(&error))? {
            if body.len() + chunk.len() > limit {
                let why = format!("larger than {} MiB", limit >> 20);
                return Err(Failure::unreadable(status.as_u16(), &why));
            }
            body.extend_from_slice(&chunk);
        }
        clean::take_out(secrets, &mut headers, &mut body);
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// A request that ruma defines and this client can carry out.
pub(super) trait Endpoint:
    OutgoingRequest<
        EndpointError = Error,
        Authentication: for<'a> AuthScheme<Input<'a> = SendAccessToken<'a>>,
        PathBuilder: KnownPath,
    >
{
}

impl<R> Endpoint for R where
    R: OutgoingRequest<
            EndpointError = Error,
            Authentication: for<'a> AuthScheme<Input<'a> = SendAccessToken<'a>>,
            PathBuilder: KnownPath,
        >
{
}

/// Paths of ruma's endpoints: all that are used here exist since v1.1, so the homeserver's list of versions is not
/// needed to choose one.
pub(super) trait KnownPath: PathBuilder {
    /// What the path is chosen by.
    fn input() -> Self::Input<'static>;
}

impl KnownPath for VersionHistory {
    fn input() -> Self::Input<'static> {
        Cow::Owned(SupportedVersions {
            versions: [MatrixVersion::V1_11].into(),
            features: std::collections::BTreeSet::new(),
        })
    }
}

impl KnownPath for SinglePath {
    fn input() -> Self::Input<'static> {}
}

fn not_json() -> ruma::api::error::ErrorBody {
    ruma::api::error::ErrorBody::Json(serde_json::Value::Null)
}
