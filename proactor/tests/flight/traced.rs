//! Spans of sessions: which sessions have one, what is in it, and what must not be.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use proactor::codec::Lines;
use proactor::{Network, Server};
use tracing::level_filters::LevelFilter;

use crate::lives::Commanded;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log of four sessions that log, are held, and are closed; the second says something secret.
fn log_of_four(one_in: u32) -> Vec<String> {
    let written = Written::default();
    let writer = written.clone();
    let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    let lines = lines.without_time().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(lines, || {
        let builder = Server::builder().listen("10.0.0.1:80").codec(Lines::new()).trace_sessions(one_in);
        let sim = builder.simulate(&Network::new(1), Commanded::new()).unwrap();
        for name in 0..4 {
            let client = sim.client("10.0.0.1:80", Lines::new());
            for line in ["log", "pause", if name == 1 { "s3cret" } else { "word" }] {
                client.send(line);
                client.expect(line);
            }
            client.send("close");
            client.expect_closed();
        }
        sim.advance(std::time::Duration::from_secs(1));
        assert!(sim.handle().flight_events().is_none(), "nothing is kept");
    });
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(|line| line.trim().to_owned()).collect()
}

fn with<'l>(lines: &'l [String], what: &str) -> Vec<&'l String> {
    lines.iter().filter(|line| line.contains(what)).collect()
}

#[test]
fn a_session_s_life_and_what_its_logic_logs_are_in_its_span() {
    let lines = log_of_four(1);
    let own = with(&lines, "session{id=0.0.0 peer=10.0.0.1:");
    let own = if own.is_empty() { with(&lines, "session{id=0.0.0 ") } else { own };
    let expected = [
        "proactor::session: accepted",
        "the handler was called",
        "proactor::session: not read from: paused",
        "proactor::session: no longer paused",
        "proactor::session: closing: closed by the server's logic",
        "proactor::session: ended",
    ];
    assert_eq!(own.len(), expected.len(), "{lines:#?}");
    for (line, expected) in own.iter().zip(expected) {
        assert!(line.ends_with(expected), "{line}");
        assert!(line.contains("listener=\"10.0.0.1:80\""), "{line}");
        assert_eq!(
            line.contains("reason=ByHandler"),
            expected.contains("clos") || expected.ends_with("ended"),
            "{line}"
        );
    }
    assert!(own[2].starts_with("DEBUG") && own[0].starts_with("INFO"), "{own:#?}");
    for name in 0..4 {
        assert_eq!(with(&lines, &format!("session{{id=0.0.{name} ")).len(), expected.len(), "{lines:#?}");
    }
    assert!(with(&lines, "s3cret").is_empty(), "no byte of a packet is told, at any level");
}

#[test]
fn one_session_in_so_many_has_a_span_and_by_default_none() {
    let lines = log_of_four(3);
    let count = |name: u32| with(&lines, &format!("session{{id=0.0.{name} ")).len();
    assert_eq!([0, 1, 2, 3].map(count), [6, 0, 0, 6], "{lines:#?}");
    assert_eq!(with(&lines, "the handler was called").len(), 4);
    let lines = log_of_four(0);
    assert!(with(&lines, "session{").is_empty(), "{lines:#?}");
    assert_eq!(with(&lines, "the handler was called").len(), 4);
}
