//! The Grafana dashboard and the alert rules of packaging/ ask for metrics that a server has.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::admin::client::{ask, start};

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(file);
    std::fs::read_to_string(path).unwrap()
}

/// The queries of a dashboard: every `expr` in it, and the queries of its variables.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "expr" || name == "definition" => found.push(text.clone()),
                    field => queries(field, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

/// The names of a query that can only be metrics.
fn metrics(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("proactor_") || word.starts_with("process_"))
}

/// The series that a server has, without labels: of a histogram, those that make it.
fn series(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut names = BTreeSet::new();
    for (name, kind) in types {
        match kind {
            "histogram" => names.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}"))),
            _ => drop(names.insert(name.to_owned())),
        }
    }
    names
}

#[test]
fn dashboard_and_alerts_use_metrics_that_there_are() {
    let (_server, admin) = start("echo", &[]);
    let there_are = series(&ask(admin, "GET", "/metrics").body);
    assert!(there_are.len() > 30, "{there_are:?}");
    let dashboard: Value = serde_json::from_str(&text("grafana/proactor.json")).unwrap();
    let mut of_dashboard = Vec::new();
    queries(&dashboard, &mut of_dashboard);
    let rules = text("prometheus/proactor.rules.yml");
    let of_rules: Vec<String> =
        rules.lines().filter_map(|line| Some(line.trim().strip_prefix("expr: ")?.to_owned())).collect();
    for (file, queries) in [("dashboard", of_dashboard), ("rules", of_rules)] {
        let used: BTreeSet<&str> = queries.iter().flat_map(|query| metrics(query)).collect();
        assert!(queries.len() > 10 && used.len() > 8, "{file}: {used:?}");
        for name in used {
            assert!(there_are.contains(name), "{file}: no server has {name}");
        }
    }
    // What a person looks at first must be on it.
    let all = dashboard.to_string();
    for name in
        ["sessions", "accepts_total", "refusals_total", "closes_total", "sent_bytes_total", "turn_seconds_bucket"]
    {
        assert!(all.contains(&format!("proactor_{name}")), "{name}");
    }
    assert!(all.contains("process_resident_memory_bytes"));
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has a number of its own");
}
