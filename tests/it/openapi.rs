//! The published document: every answer has an example, and the example is one that the schema allows.

use grafana_matrix_relay::{intake, workshop};
use serde_json::Value;

/// Every answer of the document with its operation, status and media type.
fn answers(document: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                for (kind, media) in response["content"].as_object().into_iter().flatten() {
                    all.push((format!("{method} {path} {status} {kind}"), media.clone()));
                }
            }
        }
    }
    all
}

/// What of an example is not as its schema says; enough of JSON Schema for what the document uses.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return faults(document, document.pointer(&reference[1..]).unwrap(), value, at);
    }
    if value.is_null() && schema["nullable"] == true {
        return Vec::new();
    }
    let mut found: Vec<String> = schema["allOf"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|part| faults(document, part, value, at))
        .collect();
    let is_of = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !is_of {
        found.push(format!("{at}: {value} is not {}", schema["type"]));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    let required = schema["required"].as_array().into_iter().flatten();
    found.extend(
        required
            .filter(|name| value.get(name.as_str().unwrap()).is_none())
            .map(|name| format!("{at}: no {name}")),
    );
    if let (Some(properties), Some(members)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, member) in members {
            match properties.get(name) {
                Some(schema) => found.extend(faults(document, schema, member, &format!("{at}.{name}"))),
                None => found.push(format!("{at}: `{name}` is not in the schema")),
            }
        }
    }
    let members = value
        .as_array()
        .filter(|_| schema["items"].is_object())
        .into_iter()
        .flatten();
    found.extend(members.flat_map(|member| faults(document, &schema["items"], member, at)));
    found
}

#[test]
fn every_answer_has_an_example_that_its_schema_allows() {
    let document = intake::openapi(&[], workshop::operations());
    let answers = answers(&document);
    assert!(answers.len() > 60, "{}", answers.len());
    for (name, media) in answers {
        assert!(!media["example"].is_null(), "{name} has no example");
        let faults = faults(&document, &media["schema"], &media["example"], "it");
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    }
}

#[test]
fn health_and_metrics_servers_and_contact_are_in_it() {
    let document = intake::openapi(&[], workshop::operations());
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert!(document["paths"][path]["get"]["summary"].is_string(), "{path}");
    }
    assert_eq!(document["servers"][0]["url"], "./");
    assert!(document["info"]["contact"]["name"].is_string());
    // Swagger UI asks for the first one first.
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().next().map(String::as_str), Some("bearer"));
}
