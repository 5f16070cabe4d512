//! Spans of sessions, as a collector of OpenTelemetry receives them, and what becomes of them
//! without one.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::harness::{PATIENCE, Running, proactor, run};
use crate::reserved::Reserved;

const SECRET: &str = "s3cret";

/// A request for a collector.
struct Posted {
    head: String,
    body: Vec<u8>,
    content: ExportTraceServiceRequest,
}

/// A collector that takes everything.
struct Collector {
    address: SocketAddr,
    posted: Receiver<Posted>,
}

impl Collector {
    fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, posted) = channel();
        thread::spawn(move || listener.incoming().for_each(|client| take(client.unwrap(), &sender)));
        Collector { address, posted }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans of a server that has ended, and the requests that they came in.
    fn received(&self) -> (Vec<Span>, Vec<Posted>) {
        let posted: Vec<Posted> = self.posted.try_iter().collect();
        let resources = posted.iter().flat_map(|posted| &posted.content.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        (scopes.flat_map(|scope| scope.spans.clone()).collect(), posted)
    }
}

fn take(mut client: TcpStream, sender: &Sender<Posted>) {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut part = [0; 4096];
        let count = client.read(&mut part).unwrap();
        assert_ne!(count, 0, "a request ends early");
        bytes.extend_from_slice(&part[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            let head = String::from_utf8(std::mem::replace(&mut bytes, body)).unwrap().to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.unwrap().parse::<usize>().unwrap();
            break (head, length);
        }
    };
    let missing = length - bytes.len();
    (&client).take(missing as u64).read_to_end(&mut bytes).unwrap();
    let content = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    let head_of_answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
    // The test has it before the server, which waits for the answer, can end.
    sender.send(Posted { head, body: bytes, content }).unwrap();
    client.write_all(&[head_of_answer.as_bytes(), &answer].concat()).unwrap();
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == name).and_then(|found| found.value.as_ref());
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{name} is {other:?} in {attributes:?}"),
    }
}

/// Starts a server that sends a batch ten times a second, with spans for one session in so many.
fn serving(one_in: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    let own = ["echo", "--listen", "127.0.0.1:0", "--shards", "1", "--trace-sessions", one_in];
    let mut command = proactor(&[&own, arguments].concat());
    command.env("OTEL_BSP_SCHEDULE_DELAY", "100").envs(variables.iter().copied());
    Running::of(command)
}

/// A session that says something.
fn visit(server: &Running) {
    let mut client = server.connect();
    client.write_all(SECRET.as_bytes()).unwrap();
    client.read_exact(&mut [0; SECRET.len()]).unwrap();
}

/// Ends a server in order. Its log, and its summary.
fn end(mut server: Running) -> (String, String) {
    server.interrupt();
    assert_eq!(server.ended().code(), Some(0));
    let (log, summary) = server.rest_of_log();
    (server.log.clone() + &log, summary)
}

#[test]
fn a_collector_receives_the_life_of_each_session_and_no_secret() {
    let collector = Collector::start();
    let headers = [("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken"), ("OTEL_SERVICE_NAME", "lobby")];
    let server = serving("1", &["--otlp", &collector.url()], &headers);
    (0..3).for_each(|_| visit(&server));
    let (log, summary) = end(server);
    let (spans, posted) = collector.received();

    assert!(spans.len() == 3 && spans.iter().all(|span| span.name == "session"), "{spans:#?}");
    let by_id: HashMap<String, &Span> = spans.iter().map(|span| (text(&span.attributes, "id"), span)).collect();
    assert_eq!(by_id.len(), 3, "{spans:#?}");
    for span in &spans {
        assert!(text(&span.attributes, "peer").starts_with("127.0.0.1:"), "{span:#?}");
        assert_eq!(text(&span.attributes, "reason"), "ByPeer");
        let events: Vec<&str> = span.events.iter().map(|event| event.name.as_str()).collect();
        assert!(events[0] == "accepted" && events.last() == Some(&"ended"), "{events:?}");
        assert!(events.iter().any(|event| event.starts_with("closing: ")), "{events:?}");
        let last = span.events.last().unwrap().time_unix_nano;
        assert!(span.start_time_unix_nano <= last && last <= span.end_time_unix_nano, "{span:#?}");
    }
    for posted in &posted {
        assert!(posted.head.starts_with("post /v1/traces http/1.1\r\n"), "{}", posted.head);
        assert!(posted.head.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{}", posted.head);
        assert!(posted.head.contains("\r\nauthorization: bearer t0ken\r\n"), "{}", posted.head);
        assert!(!posted.body.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "a packet was sent");
        for resource in &posted.content.resource_spans {
            let attributes = &resource.resource.as_ref().unwrap().attributes;
            assert_eq!(text(attributes, "service.name"), "lobby");
            assert_eq!(text(attributes, "service.version"), env!("CARGO_PKG_VERSION"));
        }
    }
    assert!(!log.contains("collector") && !log.contains("t0ken"), "{log}");
    assert!(!log.contains("accepted"), "what is exported is not logged: {log}");
    assert!(!summary.contains("did not reach"), "{summary}");
}

#[test]
fn one_session_in_so_many_is_exported_and_variables_name_the_collector() {
    let collector = Collector::start();
    let server = serving("4", &[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())]);
    (0..12).for_each(|_| visit(&server));
    end(server);
    let (spans, posted) = collector.received();
    assert_eq!(spans.len(), 3);
    assert!(posted.iter().all(|posted| posted.head.starts_with("post /v1/traces ")));
    let attributes = &posted[0].content.resource_spans[0].resource.as_ref().unwrap().attributes;
    assert_eq!(text(attributes, "service.name"), "proactor");
}

#[test]
fn a_collector_that_is_away_is_named_once_and_what_it_missed_is_counted() {
    let away = Reserved::new();
    let url = format!("http://{}", away.address);
    let server = serving("1", &["--otlp", &url], &[]);
    for _ in 0..5 {
        visit(&server);
        // Each is in a batch of its own, or nearly.
        thread::sleep(std::time::Duration::from_millis(150));
    }
    let (log, summary) = end(server);
    let named = format!("the collector at {url}/v1/traces takes no spans: could not connect");
    assert_eq!(log.matches("the collector at ").count(), 1, "{log}");
    assert!(log.contains(&named), "{log}");
    assert!(summary.contains("5 sessions"), "{summary}");
    assert!(summary.contains(&format!("5 of 5 spans did not reach the collector at {url}/v1/traces")), "{summary}");
}

#[test]
fn a_collector_that_says_nothing_holds_up_neither_the_server_nor_its_end() {
    // Its system accepts, and it does not.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let server = serving("1", &["--otlp", &url], &[("OTEL_BSP_MAX_QUEUE_SIZE", "10")]);
    (0..50).for_each(|_| visit(&server));
    let (_, summary) = end(server);
    assert!(summary.contains("50 sessions"), "{summary}");
    assert!(summary.contains("50 of 50 spans did not reach the collector"), "{summary}");
}

#[test]
fn a_collector_that_comes_back_is_said_to_be_there() {
    let away = Reserved::new();
    let mut server = serving("1", &["--otlp", &format!("http://{}", away.address)], &[]);
    visit(&server);
    let mut line = String::new();
    while !line.contains("takes no spans") {
        line = server.next_line();
    }
    let listener = away.listen();
    let (sender, posted) = channel();
    thread::spawn(move || listener.incoming().for_each(|client| take(client.unwrap(), &sender)));
    visit(&server);
    while !line.contains("takes spans again") {
        line = server.next_line();
    }
    end(server);
    assert!(posted.try_iter().count() >= 1);
}

#[test]
fn a_collector_that_cannot_be_is_refused_and_one_without_spans_is_said() {
    for (url, why) in [("https://127.0.0.1:4318", "TLS is not spoken here"), ("127.0.0.1:4318", "write http://")] {
        let output = run(&["echo", "--listen", "127.0.0.1:0", "--otlp", url]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("--otlp") && said.contains(why), "{said}");
    }
    // A variable may be meant for others: the server goes on.
    let server = serving("1", &[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:4318")]);
    let (log, _) = end(server);
    assert!(log.contains("no spans are sent to a collector: OTEL_EXPORTER_OTLP_ENDPOINT: TLS"), "{log}");

    let collector = Collector::start();
    let server = serving("0", &["--otlp", &collector.url()], &[]);
    visit(&server);
    let (log, _) = end(server);
    assert!(log.contains("no session has a span for the collector at ") && collector.received().0.is_empty(), "{log}");
}

#[test]
fn the_log_and_what_is_exported_have_levels_of_their_own() {
    let collector = Collector::start();
    let server = serving("1", &["--otlp", &collector.url(), "--log-level", "off"], &[("RUST_LOG", "")]);
    visit(&server);
    let (log, _) = end(server);
    assert_eq!(log, "");
    assert_eq!(collector.received().0.len(), 1);
}
