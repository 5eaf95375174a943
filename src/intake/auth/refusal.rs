//! The answer to a request that shows no right credential, and what is counted and logged of it.

use jiff::Timestamp;
use poem::http::StatusCode;

use super::super::credentials::Denied;
use super::super::error::{Challenge, Problem};
use super::super::signature::Unsigned;
use super::{Auth, HeaderAuth};

impl Auth {
    /// At named routes all failures have the same answer, so that nothing shows whether there is such a route.
    pub(super) fn refuse(&self, header_auth: &HeaderAuth, denied: Denied, now: Timestamp) -> Problem {
        let (reason, at, client) = (denied.reason(), &header_auth.words, header_auth.client);
        metrics::counter!("grafana_matrix_relay_failed_credentials_total", "reason" => reason).increment(1);
        if header_auth.is_notification {
            self.lost.note(client, reason, now);
        }
        if self.refusals.may_be_logged(client, reason, now) {
            let client = client.map_or_else(|| "unknown".to_owned(), |client| client.to_string());
            tracing::warn!(
                client.ip = client,
                "a request to {at} was refused: its credential is {reason}"
            );
        }
        let (bearer, basic) = if header_auth.named {
            (true, true)
        } else {
            header_auth.credentials.schemes()
        };
        let detail = if header_auth.named {
            "there is no such route, or the request lacks the credential of this route".to_owned()
        } else {
            explain(denied, bearer, basic)
        };
        Problem::new(StatusCode::UNAUTHORIZED, detail).challenge(Challenge { bearer, basic })
    }
}

fn explain(denied: Denied, bearer: bool, basic: bool) -> String {
    let form = match (bearer, basic) {
        (true, true) => "`Authorization: Bearer …`, or a login of HTTP Basic",
        (false, true) => "`Authorization: Basic …`",
        _ => "`Authorization: Bearer …`",
    };
    match denied {
        Denied::Missing => format!("send the relay's credential in the header {form}"),
        Denied::Malformed => format!("the header `Authorization` needs the form {form}, once"),
        Denied::Wrong => "the token or login is wrong for this path".to_owned(),
        Denied::Signature(Unsigned::Missing) => {
            "the body has to be signed: set up the HMAC signature of the contact point, with the same headers"
                .to_owned()
        }
        Denied::Signature(Unsigned::Malformed) => {
            "the header of the signature, or of its time, is malformed".to_owned()
        }
        Denied::Signature(Unsigned::Wrong) => "the signature does not match this body and the relay's keys".to_owned(),
        Denied::Signature(Unsigned::Stale(age)) => {
            format!("the signed time is {age} seconds from the relay's clock: set the clocks, or RELAY_HMAC_TOLERANCE")
        }
    }
}
