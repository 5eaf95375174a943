//! Whether a request shows one of the credentials that are expected: a bearer token, a login of HTTP Basic, a signature.
//!
//! Guarantees: what is expected is kept as hashes or as keys, and nothing of it is ever printed; what is shown is compared
//! with every candidate, whichever of them matches, so that the time tells neither which one nor how much of it was
//! right. It does not know which path asks for which credentials: see `auth`.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use poem::http::header::{self, HeaderMap};
use secrecy::ExposeSecret as _;
use subtle::{Choice, ConstantTimeEq as _};

use super::credential::{CredentialError, CredentialSettings};
use super::signature::{SignatureKeys, Signed, Unsigned};
use crate::text::digest;

/// The credentials of one resource, ready to compare. With none of them everybody is let in.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    /// Hashes of tokens. Hashes have one length, so not even a token's length shows in the time of a comparison.
    bearer: Vec<[u8; 32]>,
    /// Hashes of `user:password`.
    basic: Vec<[u8; 32]>,
    signature: Option<SignatureKeys>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bearer, basic) = (self.bearer.len(), self.basic.len());
        let signed = self.signature.is_some();
        write!(
            f,
            "Credentials {{ bearer: {bearer}, basic: {basic}, signed: {signed} }}"
        )
    }
}

/// Why a request is not let in. The words are for the log and the metric; `auth` answers the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is no credential at all, which is no guess.
    Missing,
    /// The header is of no form that is accepted here.
    Malformed,
    /// It is a credential, but none that is expected.
    Wrong,
    /// The signature is missing, or not one of this body.
    Signature(Unsigned),
}

impl Denied {
    /// A word for metric and log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Wrong => "wrong",
            Self::Signature(unsigned) => unsigned.reason(),
        }
    }
}

impl Credentials {
    pub(super) fn new(settings: &CredentialSettings) -> Result<Self, CredentialError> {
        // The repeat window is the operator's; the reader of the settings compares with it.
        settings.check(Duration::MAX)?;
        let logins = settings.basic.iter();
        Ok(Self {
            bearer: settings
                .bearer
                .iter()
                .map(|token| digest([token.expose_secret()]))
                .collect(),
            basic: logins
                .map(|login| digest([format!("{}:{}", login.user, login.password.expose_secret())]))
                .collect(),
            signature: settings.signature.as_ref().map(SignatureKeys::new).transpose()?,
        })
    }

    /// Whether everybody is let in.
    pub(super) fn open(&self) -> bool {
        self.header_free() && self.signature.is_none()
    }

    /// Whether the header `Authorization` decides nothing here.
    pub(super) fn header_free(&self) -> bool {
        self.bearer.is_empty() && self.basic.is_empty()
    }

    /// Whether the body has to be signed.
    pub(super) fn signs(&self) -> bool {
        self.signature.is_some()
    }

    /// How many keys read the body.
    pub(super) fn keys(&self) -> usize {
        self.signature.as_ref().map_or(0, SignatureKeys::count)
    }

    /// The same without the signature.
    pub(super) fn without_signature(&self) -> Self {
        Self {
            signature: None,
            ..self.clone()
        }
    }

    /// The schemes that `Authorization` may use here, as a challenge names them.
    pub(super) fn schemes(&self) -> (bool, bool) {
        (!self.bearer.is_empty(), !self.basic.is_empty())
    }

    /// Checks what can be checked before the body is read.
    pub(super) fn check_header(&self, headers: &HeaderMap) -> Result<(), Denied> {
        if self.header_free() {
            return Ok(());
        }
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = shown.next() else {
            return Err(Denied::Missing);
        };
        if shown.next().is_some() {
            return Err(Denied::Malformed);
        }
        let value = value.as_bytes();
        let at = value.iter().position(|byte| *byte == b' ').ok_or(Denied::Malformed)?;
        let (scheme, rest) = (&value[..at], value[at..].trim_ascii());
        let (shown, expected) = if scheme.eq_ignore_ascii_case(b"bearer") {
            (digest([rest]), &self.bearer)
        } else if scheme.eq_ignore_ascii_case(b"basic") {
            (
                digest([STANDARD.decode(rest).map_err(|_| Denied::Malformed)?]),
                &self.basic,
            )
        } else {
            return Err(Denied::Malformed);
        };
        let found = expected
            .iter()
            .fold(Choice::from(0), |found, candidate| found | shown.ct_eq(candidate));
        if bool::from(found) { Ok(()) } else { Err(Denied::Wrong) }
    }

    /// Checks the signature over the raw body. `None` where none is asked for, or where it says nothing of its time.
    pub(super) fn check_signature(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Signed>, Denied> {
        match &self.signature {
            None => Ok(None),
            Some(keys) => keys.verify(headers, body, now).map_err(Denied::Signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;
    use secrecy::SecretString;

    use super::super::credential::BasicLogin;
    use super::*;

    fn credentials() -> Credentials {
        let login = BasicLogin {
            user: "grafana".to_owned(),
            password: "pass:word".into(),
        };
        let settings = CredentialSettings {
            bearer: ["s3cr3t", "n3xt"].map(SecretString::from).to_vec(),
            basic: vec![login],
            signature: None,
        };
        Credentials::new(&settings).unwrap()
    }

    fn shown(values: &[&str]) -> Result<(), Denied> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        credentials().check_header(&headers)
    }

    fn basic(login: &str) -> String {
        format!("Basic {}", STANDARD.encode(login))
    }

    #[test]
    fn any_of_the_tokens_and_logins_is_admitted_and_nothing_else() {
        for right in [
            "Bearer s3cr3t",
            "bearer n3xt",
            "BEARER  n3xt ",
            &basic("grafana:pass:word"),
        ] {
            assert_eq!(shown(&[right]), Ok(()), "{right}");
        }
        for wrong in [
            "Bearer s3cr3",
            "Bearer s3cr3tt",
            "Bearer ",
            "Bearer grafana:pass:word",
            &basic("grafana:pass"),
            &basic("s3cr3t"),
            &basic(""),
        ] {
            assert_eq!(shown(&[wrong]), Err(Denied::Wrong), "{wrong}");
        }
        for malformed in ["s3cr3t", "Bearer", "Digest s3cr3t", "Basic s3cr3t!"] {
            assert_eq!(shown(&[malformed]), Err(Denied::Malformed), "{malformed}");
        }
        assert_eq!(shown(&[]), Err(Denied::Missing));
        assert_eq!(shown(&["Bearer s3cr3t", "Bearer s3cr3t"]), Err(Denied::Malformed));
    }

    #[test]
    fn debug_says_how_many_and_never_what() {
        assert_eq!(
            format!("{:?}", credentials()),
            "Credentials { bearer: 2, basic: 1, signed: false }"
        );
    }
}
