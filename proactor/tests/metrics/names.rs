//! Names, types and units, as Prometheus' conventions and the page of documentation have them.

use std::collections::{BTreeMap, BTreeSet};

use proactor::metrics::prometheus_client::metrics::gauge::Gauge;
use proactor::metrics::{Format, encode};
use proactor::{Handle, Listener, Server};

use crate::counts::Echo;
use crate::harness::{address_of, connect, exchange, finish};
use crate::page::Page;

fn server() -> (Server, Handle) {
    let builder = Server::builder().listen(Listener::new("127.0.0.1:0").name("a \"name\""));
    let server = builder.shards(1).metrics(true).start(Echo).unwrap();
    exchange(&connect(address_of(&server)), b"hello");
    let handle = server.handle();
    (server, handle)
}

/// The types of the metrics of a page, by name.
fn types(page: &str) -> BTreeMap<String, String> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[test]
fn names_end_as_their_types_and_units_ask() {
    let (server, handle) = server();
    let page = encode(&handle.registry(), Format::Prometheus);
    let types = types(&page);
    assert!(types.len() > 30);
    for (name, kind) in &types {
        assert!(name.starts_with("proactor_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}: {kind}");
        assert!(name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'), "{name}");
        let help = page.lines().filter(|line| line.starts_with(&format!("# HELP {name} "))).count();
        assert_eq!(help, 1, "{name}");
        if name.contains("bytes") {
            assert!(name.trim_end_matches("_total").ends_with("_bytes"), "{name}");
        }
    }
    assert_eq!(types["proactor_turn_seconds"], "histogram");
    assert_eq!(types["proactor_outbox_bytes"], "histogram");
    finish(server);
}

#[test]
fn open_metrics_names_units_and_ends() {
    let (server, handle) = server();
    let page = encode(&handle.registry(), Format::of_accept("text/plain;q=0.5, application/openmetrics-text"));
    assert!(page.ends_with("# EOF\n"));
    assert!(page.contains("# UNIT proactor_turn_seconds seconds\n"));
    assert!(page.contains("# UNIT proactor_received_bytes bytes\n"));
    assert!(page.contains("# TYPE proactor_received_bytes counter\n"));
    assert!(page.contains("proactor_received_bytes_total{"));
    assert_eq!(Format::of_accept("text/plain, */*"), Format::Prometheus);
    assert!(Format::OpenMetrics.content_type().starts_with("application/openmetrics-text"));
    assert!(Format::Prometheus.content_type().contains("version=0.0.4"));
    finish(server);
}

#[test]
fn listeners_of_one_name_are_told_apart_by_their_addresses() {
    let named = |name: &str| Listener::new("127.0.0.1:0").name(name);
    let builder = Server::builder().listen(named("game")).listen(named("chat")).listen(named("game"));
    let server = builder.shards(1).metrics(true).start(Echo).unwrap();
    let page = Page::of(&server.handle());
    for index in [0, 2] {
        let address = server.local_addrs()[index].to_string();
        assert_eq!(page.sum("proactor_accepts_total", &[("listener", &address)]), 0.0);
    }
    assert_eq!(page.sum("proactor_accepts_total", &[("listener", "chat")]), 0.0);
    finish(server);
}

#[test]
fn a_program_adds_its_own_and_reads_the_counts_when_the_server_has_ended() {
    let (server, handle) = server();
    let mut registry = handle.registry();
    let players = Gauge::<i64>::default();
    registry.register("game_players", "Players in the game", players.clone());
    players.set(3);
    finish(server);
    let page = Page::parse(&encode(&registry, Format::Prometheus));
    assert_eq!(page.sum("game_players", &[]), 3.0);
    assert_eq!(page.sum("proactor_accepts_total", &[]), 1.0);
}

/// The first column of the table of metrics.
fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `proactor_"));
    rows.map(|row| format!("proactor_{}", row.split_once('`').unwrap().0)).collect()
}

#[test]
fn the_page_of_documentation_lists_every_metric_and_no_other() {
    let (server, handle) = server();
    let counted: BTreeSet<String> = types(&encode(&handle.registry(), Format::Prometheus)).into_keys().collect();
    assert_eq!(documented(), counted);
    finish(server);
}
