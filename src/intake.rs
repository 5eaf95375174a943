//! Turns an untrusted request into a [`Notification`](crate::alert::Notification), or refuses it.
//!
//! Guarantees: refusals come in a fixed order (size → credential → content type → JSON → schema → store) and name the
//! field; no request makes it panic, and 503 for a store that cannot take it is the only server error. It renders
//! nothing and never touches Matrix.

mod auth;
mod caller;
mod client;
mod compat;
mod connections;
mod credential;
mod credentials;
mod document;
mod documented;
mod error;
mod health;
mod limits;
mod recorder;
mod refusals;
mod refused_notifications;
mod request;
mod server;
mod signature;
mod timing;
mod webhook;

pub use auth::{Auth, AuthSettings};
pub use caller::Caller;
pub use client::{TrustedProxies, TrustedProxiesError};
pub use compat::Compat;
pub use connections::{ConnectionSettings, serve};
pub use credential::{BasicLogin, CredentialError, CredentialSettings, SignatureScheme, SignatureSettings};
pub use document::Example;
pub use documented::{Documented, Refused};
pub use error::{Problem, ProblemJson};
pub use health::{Check, Checks, State};
pub use limits::{LimitSettings, Permit};
pub use recorder::Recorder;
pub use request::JsonBody;
pub use server::{PageSettings, Parts, endpoint, openapi};
pub use signature::Signed;
