//! Who may post: a bearer token, checked before the body is read.
//!
//! Guarantees: a handler that holds a [`Caller`] has passed the size check and the credential check, in this order;
//! the comparison takes the same time wherever the tokens differ. It does not decide where a caller may post to.

use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::{Request, RequestBody};
use poem_openapi::auth::Bearer;
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, SecurityScheme};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::Problem;

/// What a caller has to show.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Hash of the expected bearer token; `None` lets everybody in.
    token: Option<Arc<[u8; 32]>>,
}

impl Credentials {
    /// Credentials from the configured token.
    pub fn new(token: Option<&SecretString>) -> Self {
        Self {
            token: token.map(|token| Arc::new(hash(token.expose_secret().as_bytes()))),
        }
    }

    /// Whether anybody may post.
    pub fn open(&self) -> bool {
        self.token.is_none()
    }

    fn admit(&self, request: &Request) -> Result<(), Problem> {
        let Some(expected) = &self.token else { return Ok(()) };
        let refuse = |detail: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
        let Some(header) = request.headers().get(header::AUTHORIZATION) else {
            return refuse("send the relay's token in the header `Authorization: Bearer …`");
        };
        let shown = header.as_bytes();
        let Some((scheme, token)) = shown.iter().position(|byte| *byte == b' ').map(|at| shown.split_at(at)) else {
            return refuse("the header `Authorization` needs the form `Bearer …`");
        };
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return refuse("the scheme in `Authorization` has to be `Bearer`");
        }
        // Hashes have one length, so not even the token's length shows in the time that this takes.
        if bool::from(hash(token.trim_ascii()).ct_eq(&**expected)) {
            Ok(())
        } else {
            refuse("the bearer token is not the one that the relay expects (RELAY_TOKEN)")
        }
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Largest body that is read, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimit(pub(super) usize);

impl BodyLimit {
    pub(super) fn refusal(self) -> Problem {
        let detail = format!("the body is larger than {} bytes (RELAY_MAX_BODY_BYTES)", self.0);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }
}

/// For the document only; the check is [`Credentials::admit`].
#[derive(SecurityScheme)]
#[oai(rename = "bearer", ty = "bearer")]
struct BearerScheme(#[expect(dead_code, reason = "only documents the scheme")] Bearer);

/// A caller who was let in.
pub struct Caller(());

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        BearerScheme::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        BearerScheme::security_schemes()
    }

    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if let Some(limit) = request.data::<BodyLimit>() {
            let declared = request
                .headers()
                .get(header::CONTENT_LENGTH)
                .and_then(|value| value.to_str().ok());
            if declared
                .and_then(|text| text.parse::<u64>().ok())
                .is_some_and(|length| length > limit.0 as u64)
            {
                return Err(limit.refusal().into_error());
            }
        }
        // Without a credential the browser of whoever can reach the relay must not become somebody else's hand.
        if request.header("sec-fetch-site") == Some("cross-site") {
            let detail = "a web page of another site may not call the relay";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail).into_error());
        }
        let credentials = request.data::<Credentials>().cloned().unwrap_or_default();
        credentials
            .admit(request)
            .map(|()| Self(()))
            .map_err(Problem::into_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(header: Option<&str>) -> bool {
        let credentials = Credentials::new(Some(&SecretString::from("s3cr3t")));
        let mut request = Request::builder();
        if let Some(value) = header {
            request = request.header(header::AUTHORIZATION, value);
        }
        credentials.admit(&request.finish()).is_ok()
    }

    #[test]
    fn only_the_exact_token_is_admitted() {
        assert!(admitted(Some("Bearer s3cr3t")));
        assert!(admitted(Some("bearer s3cr3t")));
        for wrong in [
            "Bearer s3cr3",
            "Bearer s3cr3tt",
            "Basic s3cr3t",
            "s3cr3t",
            "Bearer",
            "Bearer ",
        ] {
            assert!(!admitted(Some(wrong)), "{wrong}");
        }
        assert!(!admitted(None));
    }
}
