//! A panic of the logic: what happened to its session before is in the log.

use std::sync::{Arc, Mutex};

use proactor::codec::Lines;
use proactor::{Network, Server};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::lives::Commanded;

/// Keeps the messages of this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_panic_is_preceded_by_its_session_s_history_once_a_second() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let builder = Server::builder().listen("10.0.0.1:80").codec(Lines::new()).flight_recorder(64);
        let sim = builder.simulate(&Network::new(1), Commanded::new()).unwrap();
        let bystander = sim.client("10.0.0.1:80", Lines::new());
        bystander.send("hello");
        bystander.expect("hello");
        for _ in 0..3 {
            let client = sim.client("10.0.0.1:80", Lines::new());
            client.send("panic");
            client.expect_closed();
        }
    });
    let said = log.0.lock().unwrap();
    let panics = said.iter().filter(|line| line.contains("the logic panicked")).count();
    assert_eq!(panics, 3, "each panic is told");
    let history: Vec<&String> = said.iter().filter(|line| line.starts_with("before that: ")).collect();
    assert_eq!(history.len(), 2, "one history, of its session alone: {history:?}");
    assert!(history[0].contains(": accepted, at 10.0.0.1:80") && history[1].contains("the server's logic panicked"));
}
