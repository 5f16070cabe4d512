//! Peers that take too little, and peers that say nothing.

use std::io::Write;
use std::time::Duration;

use proactor::codec::LengthPrefixed;
use proactor::{Flow, Handler, Limits, Network, NoMessage, SendError, Server, Session, SlowConsumer, Timeouts};

use crate::harness::{address_of, backends, connect, finish, read_to_end, wait_until};
use crate::page::Page;

const OUTBOX: usize = 64 * 1024;
const LEN: usize = 1024;

/// Sends a packet for each byte that comes.
#[derive(Clone)]
struct Sender;

impl Handler for Sender {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        for _ in packet {
            match session.send(&[7; LEN]) {
                Ok(()) | Err(SendError::Closed) => {}
                Err(SendError::Full) => return Flow::Continue,
                Err(error) => panic!("{error}"),
            }
        }
        Flow::Continue
    }
}

fn start(backend: proactor::Backend, policy: SlowConsumer) -> Server {
    let builder = Server::builder().listen("127.0.0.1:0").shards(1).backend(Some(backend)).metrics(true);
    builder.limits(Limits::new().outbox_bytes(OUTBOX)).slow_consumer(policy).start(Sender).unwrap()
}

#[test]
fn dropped_packets_and_those_that_came_are_all_that_were_queued() {
    for backend in backends() {
        let server = start(backend, SlowConsumer::DropOldest);
        let handle = server.handle();
        let client = connect(address_of(&server));
        let mut asked = 0_u32;
        let dropped = |page: &Page| page.sum("proactor_dropped_packets_total", &[]);
        wait_until("packets are dropped", || {
            (&client).write_all(&[0; 1_024]).unwrap();
            asked += 1_024;
            dropped(&Page::of(&handle)) > 100.0
        });
        wait_until("all were answered", || {
            Page::of(&handle).sum("proactor_received_bytes_total", &[]) == f64::from(asked)
        });
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let came = read_to_end(&client).len() as f64;
        wait_until("it has ended", || handle.stats().closed_in_all() == 1);
        let page = Page::of(&handle);
        assert_eq!(page.sum("proactor_sent_bytes_total", &[]), came);
        assert_eq!(page.sum("proactor_sent_packets_total", &[]), came / LEN as f64 + dropped(&page));
        assert_eq!(page.sum("proactor_sent_packets_total", &[]), f64::from(asked));
        assert_eq!(dropped(&page), handle.stats().dropped as f64);
        let actions = |action| page.sum("proactor_slow_consumer_actions_total", &[("action", action)]);
        assert!(actions("dropped") > 0.0 && actions("dropped") <= dropped(&page));
        assert_eq!((actions("paused"), actions("closed")), (0.0, 0.0));
        assert_eq!(page.sum("proactor_queued_bytes", &[]), 0.0, "nothing of it is left");
        finish(server);
    }
}

#[test]
fn a_peer_that_is_not_read_from_is_counted_and_what_is_queued_for_it() {
    for backend in backends() {
        let server = start(backend, SlowConsumer::PauseReading);
        let handle = server.handle();
        let client = connect(address_of(&server));
        let queued = |page: &Page| page.sum("proactor_queued_bytes", &[]);
        let paused = |page: &Page| page.sum("proactor_slow_consumer_actions_total", &[("action", "paused")]);
        wait_until("it is paused", || {
            (&client).write_all(&[0; 32]).unwrap();
            // Until the system's buffers are full, it is read from again and again.
            let page = Page::of(&handle);
            paused(&page) > 0.0 && queued(&page) >= (OUTBOX / 2) as f64
        });
        let page = Page::of(&handle);
        assert!(queued(&page) <= OUTBOX as f64);
        // Depths of up to the limit were seen, and none over it.
        page.check_histograms();
        let upto = |bound| page.sum("proactor_outbox_bytes_bucket", &[("le", bound)]);
        assert_eq!(upto("65536"), page.sum("proactor_outbox_bytes_count", &[]));
        assert!(upto("16384") < upto("65536"));
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let came = read_to_end(&client).len() as f64;
        wait_until("it has ended", || handle.stats().closed_in_all() == 1);
        let page = Page::of(&handle);
        assert_eq!(page.sum("proactor_sent_bytes_total", &[]), came);
        assert_eq!(page.sum("proactor_sent_packets_total", &[]), came / LEN as f64);
        assert_eq!(queued(&page), 0.0);
        finish(server);
    }
}

#[test]
fn a_session_that_is_closed_for_being_slow_takes_its_bytes_with_it() {
    for backend in backends() {
        let server = start(backend, SlowConsumer::Close);
        let handle = server.handle();
        let client = connect(address_of(&server));
        wait_until("it is closed", || {
            // A reset is what it comes to.
            let _ = (&client).write_all(&[0; 64]);
            handle.stats().closed_in_all() == 1
        });
        let page = Page::of(&handle);
        assert_eq!(page.sum("proactor_slow_consumer_actions_total", &[("action", "closed")]), 1.0);
        assert_eq!(page.sum("proactor_closes_total", &[("reason", "too_slow")]), 1.0);
        assert_eq!(page.sum("proactor_queued_bytes", &[]), 0.0);
        assert_eq!(page.sum("proactor_sessions", &[]), 0.0);
        finish(server);
    }
}

/// Sends a heartbeat, which the test's clients answer or do not.
#[derive(Clone)]
struct Beating;

impl Handler for Beating {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
    fn heartbeat(&mut self, session: &Session, (): &mut ()) {
        session.send(b"?").unwrap();
    }
}

#[test]
fn a_heartbeat_without_an_answer_until_the_next_is_missed() {
    const BEAT: Duration = Duration::from_secs(10);
    let builder = Server::builder().listen("10.0.0.1:80").codec(LengthPrefixed::u16()).metrics(true);
    let sim = builder.timeouts(Timeouts::new().heartbeat(BEAT)).simulate(&Network::new(3), Beating).unwrap();
    let handle = sim.handle();
    let beats = || {
        let page = Page::of(&handle);
        ["proactor_heartbeats_total", "proactor_heartbeats_missed_total"].map(|name| page.sum(name, &[]))
    };
    let client = sim.client("10.0.0.1:80", LengthPrefixed::u16());
    sim.set_patience(BEAT * 2);
    client.expect("?");
    assert_eq!(beats(), [1.0, 0.0], "the first has no one before it");
    client.send("!");
    client.expect("?");
    assert_eq!(beats(), [2.0, 0.0], "it was answered");
    client.expect("?");
    assert_eq!(beats(), [3.0, 1.0]);
    client.expect("?");
    assert_eq!(beats(), [4.0, 2.0]);
    client.close();
    // Another session in its place begins anew.
    sim.advance(Duration::from_secs(1));
    let client = sim.client("10.0.0.1:80", LengthPrefixed::u16());
    client.expect("?");
    assert_eq!(beats(), [5.0, 2.0]);
}
