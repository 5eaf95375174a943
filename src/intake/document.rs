//! The `OpenAPI` document and the page that shows it.
//!
//! Guarantees: the document that `/openapi.json` serves, that Swagger UI shows and that `openapi/openapi.yaml` holds is
//! one and the same, made from the types that parse the requests. It needs no running relay.

mod answers;

use poem_openapi::{ContactObject, LicenseObject, OpenApi, OpenApiService, ServerObject};
use serde_json::{Map, Value, json};

use super::webhook::Webhook;

pub(super) type Service<A> = OpenApiService<(Webhook, A), ()>;

/// A named example body that Swagger UI offers.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its key in the document.
    pub name: String,
    /// What it shows, in a few words.
    pub summary: String,
    /// The body.
    pub body: Value,
}

/// All operations: those of this room, and `others` that know themselves.
pub(super) fn service<A: OpenApi>(others: A) -> Service<A> {
    OpenApiService::new((Webhook, others), "grafana-matrix-relay", env!("CARGO_PKG_VERSION"))
        .description(
            "Relays Grafana and Alertmanager notifications to Matrix rooms. What is new in a notification that is answered 202 is on disk and appears in its Matrix room exactly once and in order. \
             Refusals are problem details (RFC 9457) and are decided in this order: size, credential, content type, \
             JSON, schema, route.",
        )
        .license(LicenseObject::new("MIT OR Apache-2.0"))
        .contact(ContactObject::new().name("The operator of this relay"))
        .server(ServerObject::new("./").description("This relay, also below a path of a reverse proxy"))
}

/// The document with its named examples.
pub(super) fn document<A: OpenApi>(service: &Service<A>, examples: &[Example]) -> Value {
    // The service has just written this JSON itself.
    let mut document: Value = serde_json::from_str(&service.spec()).unwrap_or_default();
    say_what_may_be_null(&mut document);
    answers::add_probes(&mut document);
    offer_put(&mut document);
    let named: Map<String, Value> = examples
        .iter()
        .map(|example| {
            (
                example.name.clone(),
                json!({"summary": example.summary, "value": example.body}),
            )
        })
        .collect();
    for method in ["post", "put"] {
        let body = document.pointer_mut(&format!(
            "/paths/~1alert/{method}/requestBody/content/application~1json"
        ));
        if let Some(Value::Object(media)) = body {
            media.insert("examples".to_owned(), Value::Object(named.clone()));
        }
    }
    answers::add_examples(&mut document);
    document
}

/// Whatever takes a notification by POST takes it by PUT as well; see [`put_as_post`](super::server).
fn offer_put(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (_, path) in paths
        .into_iter()
        .flatten()
        .filter(|(path, _)| path.starts_with("/alert"))
    {
        let mut put = path["post"].clone();
        let text = |name: &str| put[name].as_str().unwrap_or_default().to_owned();
        let (summary, id) = (text("summary"), text("operationId"));
        put["summary"] = format!("{summary} (PUT)").into();
        put["description"] = "The same as POST, for senders that use PUT.".into();
        put["operationId"] = id.replacen("post", "put", 1).into();
        path["put"] = put;
    }
}

/// poem-openapi leaves out that a property which may be missing may be `null` as well, which is how answers are written
/// and what requests may hold.
fn say_what_may_be_null(document: &mut Value) {
    let schemas = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut);
    // A problem leaves out what it has not.
    for (_, schema) in schemas.into_iter().flatten().filter(|(name, _)| *name != "Problem") {
        let required: Vec<String> = schema["required"].as_array().map_or_else(Vec::new, |names| {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        });
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            if required.contains(name) {
                continue;
            }
            if let Some(reference) = property.get("$ref").cloned() {
                *property = json!({"allOf": [{"$ref": reference}], "nullable": true});
            } else {
                property["nullable"] = json!(true);
            }
        }
    }
}

/// The document without the paths that begin so, for a relay that does not serve them.
pub(super) fn without(mut document: Value, prefixes: &[&str]) -> Value {
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        paths.retain(|path, _| !prefixes.iter().any(|prefix| path.starts_with(prefix)));
    }
    document
}

/// What the page has beside Swagger UI's own.
const STYLE: &str = include_str!("document/page.css");
const SCRIPT: &str = include_str!("document/page.js");
const ICON: &str = include_str!("../web/icon.svg");

/// The page of Swagger UI with everything inlined, so that it works without the internet. It is 1.6 MB. `has_home` says whether
/// there is a page at the relay's root to go back to, `is_open` whether no credential is asked for.
pub(super) fn swagger_page(document: &str, has_home: bool, is_open: bool) -> String {
    let blank = OpenApiService::new((), "", "");
    // In a script element only `</` could end it.
    let shown = document.replace("</", "<\\/");
    blank
        .swagger_ui_html()
        .replacen(&blank.spec(), &shown, 1)
        .replacen("<html charset=\"UTF-8\">", "<!doctype html>\n<html lang=\"en\">", 1)
        .replacen("<title>Swagger UI</title>", &head(), 1)
        .replacen("<div id=\"ui\"></div>", &body(has_home, is_open), 1)
}

/// Behind Swagger UI's own style, which the browser would take otherwise: it stands in the body.
fn body(has_home: bool, is_open: bool) -> String {
    let back = if has_home {
        "<a href=\"./\" id=\"back\">← Back to the relay</a>"
    } else {
        ""
    };
    let open = if is_open {
        "<template id=\"open\"><p class=\"relay-open\">This relay asks for no credential: nothing has to be filled in under Authorize.</p></template>"
    } else {
        ""
    };
    format!(
        "<style>{STYLE}</style>\n<header class=\"relay-top\">{back}<a href=\"openapi.json\">openapi.json</a></header>\n{open}<main id=\"ui\"></main>\n<script>{SCRIPT}</script>"
    )
}

fn head() -> String {
    // Everything of the icon that an address may not hold.
    let icon = ICON
        .trim()
        .replace('%', "%25")
        .replace('#', "%23")
        .replace('"', "'")
        .replace('<', "%3C")
        .replace('>', "%3E");
    format!(
        "<title>grafana-matrix-relay: API</title>\n    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n    \
         <meta name=\"color-scheme\" content=\"light dark\">\n    <link rel=\"icon\" type=\"image/svg+xml\" href=\"data:image/svg+xml,{icon}\">"
    )
}
