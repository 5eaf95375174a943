//! The workshop's page: static files, embedded, that call the operations of this room.
//!
//! The files need no credential, because they hold nothing; what they call does.

use poem::web::Redirect;
use poem::{IntoResponse, Route, endpoint::make_sync, get};

/// The page at `/` and at `/workshop/`, and its files below `/workshop/`.
pub fn routes() -> Route {
    let docs = || get(make_sync(|_| Redirect::see_other("/docs").into_response()));
    Route::new().at("/", docs()).at("/workshop/", docs())
}
