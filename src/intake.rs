//! The door: turns an untrusted request into a [`Notification`](crate::alert::Notification), or refuses it.
//!
//! Guarantees: refusals come in a fixed order (size → credential → content type → JSON → schema → store) and name the
//! field; no request makes it panic, and 503 for a store that cannot take it is the only server error. It renders
//! nothing and never touches Matrix.

mod authenticate;
mod body;
mod credential;
mod document;
mod error;
mod health;
mod legacy;
mod lenient;
mod mask;
pub mod parse;
mod recorder;
mod request;
mod server;
mod webhook;

pub use authenticate::{Caller, Credentials};
pub use credential::{BasicLogin, CredentialSettings, SignatureSettings};
pub use document::Example;
pub use error::{Problem, ProblemJson};
pub use health::{Check, Checks, State};
pub use recorder::Recorder;
pub use request::JsonBody;
pub use server::{Parts, endpoint, openapi};
