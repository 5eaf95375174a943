//! What the packages hold, as far as `Cargo.toml` says it: each file is there, and in both.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::Table;

fn metadata() -> Table {
    let manifest: Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    manifest["package"]["metadata"].as_table().unwrap().clone()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Sources and targets of the files of a package.
fn assets(metadata: &Table, format: &str) -> Vec<(String, String)> {
    let assets = metadata[format]["assets"].as_array().unwrap();
    let of = |asset: &toml::Value, at: usize, name: &str| {
        let value = asset.get(at).or_else(|| asset.get(name)).unwrap();
        value.as_str().unwrap().trim_start_matches('/').to_owned()
    };
    let assets: Vec<_> = assets
        .iter()
        .map(|asset| (of(asset, 0, "source"), of(asset, 1, "dest")))
        .collect();
    assert!(assets.len() > 8, "{assets:?}");
    assets
}

#[test]
fn the_packages_hold_the_same_and_each_file_is_there() {
    let metadata = metadata();
    let sources = |format| -> BTreeSet<String> {
        assets(&metadata, format)
            .into_iter()
            .map(|(source, _)| source)
            .collect()
    };
    let (deb, rpm) = (sources("deb"), sources("generate-rpm"));
    // For Debian the unit is no asset but `systemd-units`, which makes its scripts too.
    let differ: Vec<_> = deb.symmetric_difference(&rpm).collect();
    assert_eq!(differ, ["README.md", "packaging/systemd/grafana-matrix-relay.service"]);
    let unit = &metadata["deb"]["systemd-units"];
    let file = format!(
        "{}/{}.service",
        unit["unit-scripts"].as_str().unwrap(),
        unit["unit-name"].as_str().unwrap()
    );
    assert_eq!(file, *differ[1]);
    for source in deb.iter().filter(|source| !source.starts_with("target/packages/")) {
        let path = source.trim_end_matches("/*");
        assert!(root().join(path).exists(), "{source}");
    }
    // What build.sh makes.
    let script = fs::read_to_string(root().join("packaging/build.sh")).unwrap();
    for source in deb.iter().filter_map(|source| source.strip_prefix("target/packages/")) {
        let folder = source.split('/').next().unwrap();
        assert!(script.contains(&format!("$out/{folder}")), "{source}");
    }
}

#[test]
fn the_unit_finds_what_the_packages_install() {
    let metadata = metadata();
    let unit = fs::read_to_string(root().join("packaging/systemd/grafana-matrix-relay.service")).unwrap();
    for format in ["deb", "generate-rpm"] {
        let installed: Vec<String> = assets(&metadata, format)
            .into_iter()
            .map(|(_, target)| target)
            .collect();
        assert!(
            installed.iter().any(|path| path.starts_with("usr/bin/")),
            "{installed:?}"
        );
        let settings = installed.iter().find(|path| path.ends_with("relay.env")).unwrap();
        assert!(unit.contains(&format!("EnvironmentFile=-/{settings}")), "{settings}");
    }
}
