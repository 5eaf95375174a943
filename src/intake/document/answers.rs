//! An example for every answer of the document, and the operations that have no types: health and metrics.
//!
//! Guarantees: what is answered with success has its example in `answers.json`, by its operation; a refusal's is a problem of
//! its status with the words of its description. A test compares both with the schemas.

use poem::http::StatusCode;
use serde_json::{Map, Value, json};

const ANSWERS: &str = include_str!("answers.json");

/// Adds the paths that orchestrators and Prometheus ask.
pub(super) fn add_probes(document: &mut Value) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else {
        return;
    };
    let probe = |id: &str, summary: &str, description: &str, responses: Value| {
        json!({"get": {"tags": ["Operation"], "summary": summary, "description": description, "operationId": id,
            "responses": responses}})
    };
    let report = json!({"application/json": {"schema": {"$ref": "#/components/schemas/HealthReport"}}});
    let text = json!({"text/plain; version=0.0.4; charset=utf-8": {"schema": {"type": "string"},
        "example": "# TYPE grafana_matrix_relay_up gauge\ngrafana_matrix_relay_up 1\n"}});
    let live = json!({"200": {"description": "It lives.", "content": {"application/json": {"schema": {
        "type": "object", "required": ["status"], "properties": {"status": {"type": "string", "enum": ["live"]}}}}}}});
    let ready = json!({
        "200": {"description": "Notifications are accepted; `degraded` if something else needs attention.", "content": report},
        "503": {"description": "Notifications cannot be accepted now.", "content": report},
    });
    let metrics = json!({
        "200": {"description": "All metrics.", "content": text},
        "401": {"description": "The token (`RELAY_METRICS_TOKEN`) is missing or wrong.", "content": problem_schema()},
        "403": {"description": "A browser called a relay without a credential by a name that is not its own.",
            "content": problem_schema()},
    });
    let why =
        "Why a part is not well is shown only with the credential of the workshop or of the metrics, if there is one.";
    paths.insert(
        "/health/live".to_owned(),
        probe(
            "live",
            "Whether the process lives",
            "For the orchestrator's liveness probe.",
            live,
        ),
    );
    paths.insert(
        "/health/ready".to_owned(),
        probe("ready", "Whether notifications can be accepted", why, ready),
    );
    paths.insert(
        "/metrics".to_owned(),
        probe("metrics", "Metrics for Prometheus", "In the text format.", metrics),
    );
    if let Some(tags) = document.get_mut("tags").and_then(Value::as_array_mut) {
        tags.push(json!({"name": "Operation", "description": "What orchestrators and Prometheus ask."}));
    }
    let schema = json!({"type": "object", "required": ["status", "checks"], "properties": {
        "status": state_schema("The worst state of all parts."),
        "checks": {"type": "array", "items": {"type": "object", "required": ["name", "state"], "properties": {
            "name": {"type": "string", "description": "The part, such as `outbox`, `homeserver`, `templates`, `routes`."},
            "state": state_schema("Its state."),
            "reason": {"type": "string", "description": "Why, where it is not well and the caller may see it."}}}},
        "detail": {"type": "string", "description": "How to learn the reasons, where they are withheld."}}});
    if let Some(schemas) = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    {
        schemas.insert("HealthReport".to_owned(), schema);
    }
}

fn state_schema(description: &str) -> Value {
    json!({"type": "string", "enum": ["ready", "degraded", "unavailable"], "description": description})
}

fn problem_schema() -> Value {
    json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}})
}

/// Gives every answer an example.
pub(super) fn add_examples(document: &mut Value) {
    // Embedded, and read by a test.
    let known: Map<String, Value> = serde_json::from_str(ANSWERS).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flatten().filter_map(|(_, path)| path.as_object_mut());
    for (_, operation) in operations.flatten() {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let id = id
            .strip_prefix("put_")
            .map_or_else(|| id.to_owned(), |rest| format!("post_{rest}"));
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for (status, response) in responses.into_iter().flatten() {
            let description = response["description"].as_str().unwrap_or_default().to_owned();
            let contents = response.get_mut("content").and_then(Value::as_object_mut);
            for (kind, media) in contents.into_iter().flatten() {
                let example = if kind == "application/problem+json" {
                    problem(status, &description)
                } else {
                    known.get(&id).cloned()
                };
                if let (Value::Object(media), Some(example)) = (media, example) {
                    media.entry("example").or_insert(example);
                }
            }
        }
    }
}

fn problem(status: &str, description: &str) -> Option<Value> {
    let status: u16 = status.parse().ok()?;
    let title = StatusCode::from_u16(status).ok()?.canonical_reason()?;
    Some(json!({"type": "about:blank", "title": title, "status": status, "detail": description}))
}
