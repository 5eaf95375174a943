//! Manifests and chart: rendered by the programs that people use, and judged by the schemas of Kubernetes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{packaging, run, said};

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/stack/kubernetes-venv/bin/");

fn tool(name: &str, arguments: &[&str]) -> String {
    run(&format!("{TOOLS}{name}"), arguments)
}

/// What `kubectl kustomize` and the chart with each of its sets of values render.
fn rendered() -> Vec<(String, String)> {
    let path = |path| packaging(path).display().to_string();
    let mut rendered = vec![(
        "kustomize".to_owned(),
        tool("kubectl", &["kustomize", &path("kubernetes/example")]),
    )];
    let (chart, sets) = (
        path("helm/grafana-matrix-relay"),
        packaging("helm/grafana-matrix-relay/ci"),
    );
    for set in fs::read_dir(sets).unwrap() {
        let set = set.unwrap().path().display().to_string();
        tool("helm", &["lint", "--strict", "--values", &set, &chart]);
        let text = tool(
            "helm",
            &[
                "template",
                "relay",
                &chart,
                "--namespace",
                "monitoring",
                "--values",
                &set,
            ],
        );
        rendered.push((set, text));
    }
    assert!(rendered.len() > 3, "{rendered:?}");
    rendered
}

fn documents(text: &str) -> Vec<Value> {
    let documents = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    documents
        .into_iter()
        .filter(|document: &Value| !document.is_null())
        .collect()
}

#[test]
fn what_is_rendered_is_valid_and_hardened() {
    let folder = tempfile::tempdir().unwrap();
    for (from, text) in rendered() {
        let file = folder.path().join("rendered.yaml");
        fs::write(&file, &text).unwrap();
        tool("kubernetes-validate", &["--strict", file.to_str().unwrap()]);
        let documents = documents(&text);
        let kinds: BTreeSet<&str> = documents.iter().filter_map(|one| one["kind"].as_str()).collect();
        for kind in ["ConfigMap", "NetworkPolicy", "Secret", "Service"] {
            assert!(kinds.contains(kind), "{kind} of {from}: {kinds:?}");
        }
        let is_workload = |one: &&Value| matches!(one["kind"].as_str(), Some("Deployment" | "StatefulSet"));
        let workload = documents.iter().find(is_workload).unwrap();
        is_hardened(&from, workload);
        let keeps_data = workload["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "data";
        assert_eq!(keeps_data, workload["kind"] == "StatefulSet", "{from}: {workload:#}");
    }
}

fn is_hardened(from: &str, workload: &Value) {
    let pod = &workload["spec"]["template"]["spec"];
    let relay = &pod["containers"][0];
    let is = |value: &Value, expected: Value| assert_eq!(*value, expected, "{from}: {workload:#}");
    is(&pod["enableServiceLinks"], false.into());
    is(&pod["automountServiceAccountToken"], false.into());
    is(&pod["securityContext"]["runAsNonRoot"], true.into());
    is(
        &pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault".into(),
    );
    is(&relay["securityContext"]["readOnlyRootFilesystem"], true.into());
    is(&relay["securityContext"]["allowPrivilegeEscalation"], false.into());
    is(&relay["securityContext"]["capabilities"]["drop"][0], "ALL".into());
    is(&relay["livenessProbe"]["httpGet"]["path"], "/health/live".into());
    is(&relay["readinessProbe"]["httpGet"]["path"], "/health/ready".into());
    is(&relay["ports"][0]["containerPort"], 9042.into());
}

#[test]
fn each_variable_is_a_setting() {
    let help = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
        .args(["serve", "--help"])
        .env_clear()
        .output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    for (from, text) in rendered() {
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let settings: BTreeSet<&str> = words
            .filter(|word| word.starts_with("RELAY_") || word.starts_with("MATRIX_"))
            // What a comment of the chart names.
            .filter(|word| *word != "RELAY_SHUTDOWN_GRACE")
            .collect();
        assert!(settings.contains("MATRIX_ACCESS_TOKEN_FILE"), "{from}: {settings:?}");
        for setting in settings {
            assert!(
                help.contains(&format!("[env: {setting}")),
                "{setting} of {from} is no setting"
            );
        }
    }
}

#[test]
fn several_relays_need_a_database() {
    let chart = packaging("helm/grafana-matrix-relay");
    let output = Command::new(Path::new(TOOLS).join("helm"))
        .args(["template", "relay", chart.to_str().unwrap(), "--set", "replicas=2"])
        .args(["--set", "secrets.existingSecret=relay"])
        .output()
        .unwrap();
    let said = said(&output);
    assert!(!output.status.success() && said.contains("postgres.enabled"), "{said}");
}

#[test]
fn the_chart_is_of_this_version() {
    let chart = fs::read_to_string(packaging("helm/grafana-matrix-relay/Chart.yaml")).unwrap();
    let line = format!("appVersion: {}", env!("CARGO_PKG_VERSION"));
    assert!(chart.lines().any(|one| one == line), "{line} in\n{chart}");
}
