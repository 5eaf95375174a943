//! TLS: which back end speaks it, and in words why a connection did not come about and what to do about it.
//!
//! Guarantees: what it says holds nothing of the URL but what a certificate says of itself.

use std::error::Error;
use std::io;

use rustls::{CertificateError, Error as TlsError, InvalidMessage};

use super::answer::one_line;

/// The beginning of every HTTP client of this program: reqwest panics where no back end was chosen before.
pub fn client_builder() -> reqwest::ClientBuilder {
    // Fails only where one was chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

/// What every text begins with.
const MARK: &str = "TLS: ";

/// What went wrong with TLS, if it was that.
pub(super) fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    cause(error).map(|cause| format!("{MARK}{}", words(cause)))
}

/// Whether this says by itself what to do.
pub(super) fn is_explained(detail: &str) -> bool {
    detail.contains(MARK)
}

/// The error of TLS in the causes of another one; `io::Error` keeps what is in it out of them.
fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e TlsError> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inner {
        Some(inner) => cause(inner),
        None => cause(error.source()?),
    }
}

fn words(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(why) => certificate(why),
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what answers there speaks no TLS: an address without it begins with http://".to_owned()
        }
        TlsError::AlertReceived(alert) => one_line(&format!("the other side ended the handshake ({alert:?})")),
        error => one_line(&format!("the handshake failed: {error}")),
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => {
            "its certificate is signed by a CA that is not known here: put the CA's certificate (PEM) into a file and name \
             that by SSL_CERT_FILE, which then holds all CAs that count; or the server does not send the certificates in between"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, or the clock of this machine is wrong: renew the certificate".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or the clock of this machine is wrong: set the clock".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name: set the address to a name that the certificate has".to_owned()
        }
        CertificateError::Revoked => "its certificate was revoked: the server needs a new one".to_owned(),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is one of a CA and none of a server: make a certificate for the server, signed by that CA, and name \
             the CA's by SSL_CERT_FILE"
                .to_owned()
        }
        other => one_line(&format!("its certificate is invalid ({other:?}): the server needs another one")),
    }
}
