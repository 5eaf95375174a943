//! The workshop page's files: embedded, with the headers of [`web`], under `workshop/static/`.
//!
//! Guarantees: the same files wherever the page is; they name each other by relative addresses, so that a proxy may put
//! the relay under a path of its own. They are public: they hold nothing, and what the page asks the relay for needs the
//! relay's credential. It does not answer those questions.

use poem::endpoint::make_sync;
use poem::web::Redirect;
use poem::{IntoResponse as _, Route, get};

use crate::web;

const PAGE: &str = include_str!("page/index.html");
/// Where the page's own files are; its scripts find the relay from there.
const STATIC: &str = "/workshop/static";

/// The page at `/`.
pub fn routes() -> Route {
    let home = get(make_sync(|_| Redirect::see_other("../").into_response()));
    files().at("/", web::html(page("", ""))).at("/workshop/", home)
}

/// The page at `/workshop/`, for the demo, where `/` is the room.
pub fn routes_beside_room() -> Route {
    let home = get(make_sync(|_| Redirect::see_other("workshop/").into_response()));
    let room = "<a href=\"../\"><span>The </span>room</a>";
    files()
        .at("/workshop", home)
        .at("/workshop/", web::html(page("../", room)))
}

/// `root` leads from the page's address to the relay's; `link` is one more for the head of the page.
fn page(root: &str, link: &str) -> String {
    PAGE.replace("{root}", root)
        .replace("{room}", link)
        .replace("{version}", env!("CARGO_PKG_VERSION"))
}

fn files() -> Route {
    let scripts = scripts().into_iter().fold(Route::new(), |routes, (name, text)| {
        routes.at(format!("{STATIC}/{name}"), web::script(text))
    });
    let routes = scripts
        .at(format!("{STATIC}/page.css"), web::style(include_str!("page/page.css")))
        .at(
            format!("{STATIC}/deliveries.css"),
            web::style(include_str!("page/deliveries.css")),
        )
        .at(
            format!("{STATIC}/editor.LICENSE.txt"),
            web::file("text/plain; charset=utf-8", include_str!("page/editor.LICENSE.txt")),
        );
    web::shared(routes, STATIC)
}

/// The page's scripts; `editor.js` is built by `src/workshop/editor/build.sh`.
fn scripts() -> [(&'static str, &'static str); 29] {
    [
        ("page.js", include_str!("page/page.js")),
        ("api.js", include_str!("page/api.js")),
        ("budget.js", include_str!("page/budget.js")),
        ("choices.js", include_str!("page/choices.js")),
        ("deliveries.js", include_str!("page/deliveries.js")),
        ("delivery.js", include_str!("page/delivery.js")),
        ("dialogs.js", include_str!("page/dialogs.js")),
        ("diff.js", include_str!("page/diff.js")),
        ("editor.js", include_str!("page/editor.js")),
        ("fit.js", include_str!("page/fit.js")),
        ("folder.js", include_str!("page/folder.js")),
        ("gallery.js", include_str!("page/gallery.js")),
        ("handover.js", include_str!("page/handover.js")),
        ("instead.js", include_str!("page/instead.js")),
        ("names.js", include_str!("page/names.js")),
        ("notification.js", include_str!("page/notification.js")),
        ("paste.js", include_str!("page/paste.js")),
        ("place.js", include_str!("page/place.js")),
        ("preview.js", include_str!("page/preview.js")),
        ("prose.js", include_str!("page/prose.js")),
        ("remarks.js", include_str!("page/remarks.js")),
        ("render.js", include_str!("page/render.js")),
        ("result.js", include_str!("page/result.js")),
        ("saving.js", include_str!("page/saving.js")),
        ("selection.js", include_str!("page/selection.js")),
        ("send.js", include_str!("page/send.js")),
        ("sequence.js", include_str!("page/sequence.js")),
        ("standing.js", include_str!("page/standing.js")),
        ("trouble.js", include_str!("page/trouble.js")),
    ]
}
