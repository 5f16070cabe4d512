//! A bucket that somebody else has made: what cannot keep keys is refused, with what to do.

use std::time::Duration;

use proactor_cluster::{ConnectError, Nats};
use serde_json::{Value, json};

use crate::broker::{Broker, Scratch, wait_until};
use crate::users::{Client, Node};

/// A login waits no longer than this.
const LEASE: Duration = Duration::from_secs(2);
/// For who needs its answer, on a busy machine.
const LONG_LEASE: Duration = Duration::from_secs(20);

fn broker(scratch: &Scratch) -> Option<Broker> {
    Broker::start(&["-js", "-sd", scratch.0.to_str().unwrap()])
}

/// As `nats kv add` makes it, but that records can be deleted, and but for one setting.
fn config(bucket: &str, setting: &str, value: Value) -> Value {
    let mut config = json!({
        "name": format!("KV_{bucket}"),
        "subjects": [format!("$KV.{bucket}.>")],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "num_replicas": 1,
        "allow_rollup_hdrs": true,
        "deny_delete": false,
    });
    config[setting] = value;
    config
}

fn create(broker: &Broker, bucket: &str, setting: &str, value: Value) {
    broker.ask(&format!("STREAM.CREATE.KV_{bucket}"), &config(bucket, setting, value));
}

#[test]
fn a_bucket_that_cannot_keep_keys_is_refused_with_the_setting_and_what_to_do() {
    let scratch = Scratch::new();
    let Some(broker) = broker(&scratch) else { return };
    let settings = [
        ("deny_delete", json!(true)),
        ("max_msgs_per_subject", json!(5)),
        ("max_age", json!(3_600_000_000_000_u64)),
        ("no_ack", json!(true)),
        ("retention", json!("interest")),
    ];
    for (setting, value) in settings {
        create(&broker, setting, setting, value.clone());
        let mut fault = None;
        // It goes on without an answer that takes too long.
        wait_until("the bucket to be looked at", || {
            fault = Nats::new(broker.url()).prefix(setting).node("a").directory(1).connect().err();
            fault.is_some()
        });
        let error = fault.unwrap();
        let text = error.to_string();
        assert!(matches!(error, ConnectError::Bucket { .. }), "{text}");
        assert!(text.contains(&format!("KV_{setting} has {setting} = {value}")), "{text}");
        assert!(text.contains(&format!("nats kv del {setting}")), "{text}");
        // Without a directory the bucket is nobody's business.
        Nats::new(broker.url()).prefix(setting).node("a").connect().unwrap();
    }
}

#[test]
fn a_bucket_that_differs_in_what_does_not_matter_is_used() {
    let scratch = Scratch::new();
    let Some(broker) = broker(&scratch) else { return };
    create(&broker, "proactor", "description", json!("of somebody else"));
    let [a, b] = ["a", "b"].map(|name| Node::join(&broker.url(), name, LONG_LEASE));
    let (first, answer) = Client::log_in(a.address, "refuse ann");
    assert_eq!(answer, "ok");
    assert_eq!(Client::log_in(b.address, "refuse ann").1, "taken");
    drop(first);
    wait_until("the key to be free", || Client::log_in(b.address, "refuse ann").1 == "ok");
}

#[test]
fn a_bucket_that_is_changed_later_is_refused_until_it_is_mended() {
    let scratch = Scratch::new();
    let Some(broker) = broker(&scratch) else { return };
    let node = Node::join(&broker.url(), "a", LEASE);
    let (ann, answer) = Client::log_in(node.address, "refuse ann");
    assert_eq!(answer, "ok");
    broker.ask("STREAM.UPDATE.KV_proactor", &config("proactor", "deny_delete", json!(true)));
    // Its record cannot be deleted.
    drop(ann);
    wait_until("the bucket to be looked at", || Client::try_log_in(node.address, "refuse eve").1 == "unreachable");
    broker.ask("STREAM.DELETE.KV_proactor", &json!({}));
    wait_until("another bucket", || Client::log_in(node.address, "refuse eve").1 == "ok");
    let info = broker.ask("STREAM.INFO.KV_proactor", &json!({}));
    assert_eq!(info["config"]["deny_delete"], json!(false));
}
