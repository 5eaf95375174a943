//! The refusals of an operation, as the `OpenAPI` document lists them.
//!
//! Guarantees: most are made by extractors, as a [`Problem`], and no handler sees them; so a list beside the operation says
//! them all, and what is answered is whatever the problem says.

use std::marker::PhantomData;

use poem_openapi::ApiResponse;
use poem_openapi::payload::Payload as _;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};

use super::error::{Problem, ProblemJson};

/// What an operation may refuse.
pub trait Documented: 'static {
    /// Each HTTP status and when it is answered, in the order in which they are decided.
    const REFUSALS: &'static [(u16, &'static str)];
}

/// A refusal by an operation that documents these.
pub struct Refused<R>(Problem, PhantomData<fn() -> R>);

impl<R> From<Problem> for Refused<R> {
    fn from(problem: Problem) -> Self {
        Self(problem, PhantomData)
    }
}

impl<R> From<Refused<R>> for poem::Error {
    fn from(refused: Refused<R>) -> Self {
        refused.0.into_error()
    }
}

impl<R: Documented> ApiResponse for Refused<R> {
    fn meta() -> MetaResponses {
        let response = |&(status, description)| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: ProblemJson::CONTENT_TYPE,
                schema: ProblemJson::schema_ref(),
            }],
            headers: vec![],
        };
        MetaResponses {
            responses: R::REFUSALS.iter().map(response).collect(),
        }
    }

    fn register(registry: &mut Registry) {
        ProblemJson::register(registry);
    }
}
