//! The signature of a body: HMAC-SHA256 over the raw bytes, as Grafana, Gitea, GitHub and Standard Webhooks write it.
//!
//! Guarantees: what is verified are the bytes as they came, before anything parses them; all keys are tried, each in
//! constant time. With a timestamp header the signed bytes are `<seconds>:<body>`, the time has to lie within the
//! tolerance around the relay's clock, and the same signature seen again names the same [`Signed`] request.
//!
//! Standard Webhooks sign `<id>.<seconds>.<body>`, and may show several signatures while a key is replaced.
//!
//! Without a time nothing tells a replay apart: the content of the notification alone is recognised then. The URL and other
//! headers are never signed.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use poem::http::header::{HeaderMap, HeaderName};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use super::credential::{CredentialError, SignatureScheme, SignatureSettings, standard_key};
use crate::text;

type HmacSha256 = Hmac<Sha256>;

/// Where Standard Webhooks name a request.
const ID: &str = "webhook-id";
/// Nobody shows more signatures of one body.
const MOST_SIGNATURES: usize = 10;

/// The keys of one resource.
#[derive(Clone)]
pub(super) struct SignatureKeys {
    keys: Vec<HmacSha256>,
    scheme: SignatureScheme,
    header: HeaderName,
    timestamp_header: Option<HeaderName>,
    tolerance: Duration,
}

impl fmt::Debug for SignatureKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignatureKeys({})", self.keys.len())
    }
}

/// Identity of a request whose signature covers its time: two of the same are one request, sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed(String);

impl Signed {
    /// As the outbox remembers it; the signature itself cannot be had from it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a body counts as not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsigned {
    /// There is no signature, or no time where one is asked for.
    Missing,
    /// What should be a signature or a time is none.
    Malformed,
    /// No key made this signature of this body.
    Wrong,
    /// The signature is right, and its time so many seconds away (negative: the sender's clock is ahead).
    Stale(i64),
}

impl Unsigned {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "unsigned",
            Self::Malformed => "signature_malformed",
            Self::Wrong => "signature_wrong",
            Self::Stale(_) => "signature_stale",
        }
    }
}

impl SignatureKeys {
    pub(super) fn new(settings: &SignatureSettings) -> Result<Self, CredentialError> {
        let name = |text: &str| HeaderName::try_from(text).map_err(|_| CredentialError::HeaderName(text.to_owned()));
        let key = |secret: &str| {
            let bytes = match settings.scheme {
                SignatureScheme::Standard => standard_key(secret).ok_or(CredentialError::StandardSecret)?,
                SignatureScheme::Grafana | SignatureScheme::Github => secret.as_bytes().to_vec(),
            };
            HmacSha256::new_from_slice(&bytes).map_err(|_| CredentialError::EmptySecret)
        };
        let secrets = settings.secrets.iter();
        Ok(Self {
            keys: secrets
                .map(|secret| key(secret.expose_secret()))
                .collect::<Result<_, _>>()?,
            scheme: settings.scheme,
            header: name(&settings.header)?,
            timestamp_header: settings.timestamp_header.as_deref().map(name).transpose()?,
            tolerance: settings.tolerance,
        })
    }

    /// How many keys there are, and so how often the body is read.
    pub(super) fn count(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Option<Signed>, Unsigned> {
        let signatures = only(headers, &self.header).and_then(|text| self.shown(text));
        let time = self
            .timestamp_header
            .as_ref()
            .map(|name| only(headers, name))
            .transpose();
        let id = match self.scheme {
            SignatureScheme::Standard => only(headers, &HeaderName::from_static(ID)).map(Some),
            SignatureScheme::Grafana | SignatureScheme::Github => Ok(None),
        };
        let (shown, shown_time) = (signatures.as_deref().unwrap_or_default(), time.ok().flatten());
        let mut right = false;
        // Each key reads the body even where the headers are of no use: the time must not tell which ones are looked at.
        for key in &self.keys {
            let mut mac = key.clone();
            if let Ok(Some(id)) = id {
                mac.update(id);
                mac.update(b".");
            }
            if let Some(time) = shown_time {
                mac.update(time);
                mac.update(if id == Ok(None) { b":" } else { b"." });
            }
            read(&mut mac, body);
            for signature in shown {
                right |= mac.clone().verify_slice(signature).is_ok();
            }
        }
        let (signatures, time, id) = (signatures?, time?, id?);
        if !right {
            return Err(Unsigned::Wrong);
        }
        let Some(time) = time else { return Ok(None) };
        // To the millisecond, as the outbox remembers: what passes has passed for less than twice the tolerance.
        let age = now.as_millisecond().saturating_sub(seconds(time)?.saturating_mul(1000));
        if u128::from(age.unsigned_abs()) >= self.tolerance.as_millis() {
            return Err(Unsigned::Stale(age / 1000));
        }
        // One request of Standard Webhooks keeps its ID when it is sent again, with another time.
        Ok(Some(Signed(match id {
            Some(id) => text::hash([b"id".as_slice(), id]),
            None => text::hash(&signatures),
        })))
    }

    /// The signatures in a header.
    fn shown(&self, text: &[u8]) -> Result<Vec<Vec<u8>>, Unsigned> {
        let hex = |digits: &[u8]| {
            hex::decode(digits)
                .map(|one| vec![one])
                .map_err(|_| Unsigned::Malformed)
        };
        match self.scheme {
            SignatureScheme::Grafana => hex(text),
            SignatureScheme::Github => hex(text.strip_prefix(b"sha256=").ok_or(Unsigned::Malformed)?),
            SignatureScheme::Standard => {
                let each = text.split(|byte| *byte == b' ').take(MOST_SIGNATURES);
                let of_v1 = each.filter_map(|one| STANDARD.decode(one.strip_prefix(b"v1,")?).ok());
                let all: Vec<_> = of_v1.collect();
                if all.is_empty() {
                    Err(Unsigned::Malformed)
                } else {
                    Ok(all)
                }
            }
        }
    }
}

/// Reads a body as so many keys do, and learns nothing: a refusal that needs no signature takes as long as one that does.
pub(super) fn read_in_vain(body: &[u8], keys: usize) {
    for _ in 0..keys {
        if let Ok(mut mac) = HmacSha256::new_from_slice(b"nobody's") {
            read(&mut mac, body);
            std::hint::black_box(mac.finalize());
        }
    }
}

fn read(mac: &mut HmacSha256, body: &[u8]) {
    #[cfg(test)]
    READ.with(|read| read.set(read.get() + 1));
    mac.update(body);
}

#[cfg(test)]
thread_local! {
    /// How often a body was read.
    pub(super) static READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The value of a header that may be there once only.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a [u8], Unsigned> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(Unsigned::Missing),
        (Some(value), None) => Ok(value.as_bytes()),
        (Some(_), Some(_)) => Err(Unsigned::Malformed),
    }
}

fn seconds(text: &[u8]) -> Result<i64, Unsigned> {
    let digits = !text.is_empty() && text.len() <= 12 && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or(Unsigned::Malformed)
}

#[cfg(test)]
mod tests;
