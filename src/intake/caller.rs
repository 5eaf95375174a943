//! Who may use the workshop: checked before the body is read.
//!
//! Guarantees: a handler that holds a [`Caller`] has passed the size check and the credential check, in this order. What
//! senders of notifications show is checked where their body is read, because it may be what is signed: see `webhook`.

use std::sync::Arc;

use jiff::Timestamp;
use poem::http::StatusCode;
use poem::{Request, RequestBody};
use poem_openapi::auth::{ApiKey, Basic, Bearer};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, SecurityScheme};

use super::auth::{Auth, Resource};
use super::error::Problem;
use super::request::prove;

/// One of the relay's tokens, or of the route's. Several may be valid while one replaces the other.
#[derive(SecurityScheme)]
#[oai(rename = "bearer", ty = "bearer")]
struct BearerScheme(#[expect(dead_code, reason = "only documents the scheme")] Bearer);

/// A login of HTTP Basic; browsers ask for it by themselves.
#[derive(SecurityScheme)]
#[oai(rename = "login", ty = "basic")]
struct BasicScheme(#[expect(dead_code, reason = "only documents the scheme")] Basic);

/// Grafana's signature: HMAC-SHA256 over the raw body in hexadecimal digits, or over `<seconds>:<body>` where a header of
/// the time is configured. Header names are configurable. It may be asked for beside one of the others.
#[derive(SecurityScheme)]
#[oai(
    rename = "signature",
    ty = "api_key",
    key_name = "X-Grafana-Alerting-Signature",
    key_in = "header"
)]
struct SignatureScheme(#[expect(dead_code, reason = "only documents the scheme")] ApiKey);

/// Documents what senders may have to show; `webhook` checks it.
pub(super) fn register_sender(registry: &mut Registry) {
    register_page(registry);
    SignatureScheme::register(registry);
}

/// The names of what senders may have to show.
pub(super) fn sender_schemes() -> Vec<&'static str> {
    [page_schemes(), SignatureScheme::security_schemes()].concat()
}

fn register_page(registry: &mut Registry) {
    BearerScheme::register(registry);
    BasicScheme::register(registry);
}

fn page_schemes() -> Vec<&'static str> {
    [BearerScheme::security_schemes(), BasicScheme::security_schemes()].concat()
}

/// Somebody who was let into the workshop.
pub struct Caller(());

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_page(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        page_schemes()
    }

    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let entered = enter(Resource::Pages, request).await;
        entered.map(|()| Self(())).map_err(Problem::into_error)
    }
}

/// Lets a request in that shows all there is to show by its headers.
pub(super) async fn enter(resource: Resource<'_>, request: &Request) -> Result<(), Problem> {
    let auth = auth(request)?;
    let header_auth = auth.enter(resource, request, Timestamp::now())?;
    if header_auth.is_proven() {
        prove(&auth.limits, request).await?;
    }
    Ok(())
}

/// The credentials that guard this relay.
pub(super) fn auth(request: &Request) -> Result<&Arc<Auth>, Problem> {
    // It is part of every request's data; without it nobody may come in.
    let closed = || Problem::new(StatusCode::FORBIDDEN, "the relay takes no requests here");
    request.data::<Arc<Auth>>().ok_or_else(closed)
}
