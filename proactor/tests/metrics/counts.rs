//! Sessions, bytes, packets, refusals and closes, against what clients have counted.

use std::io::{Read, Write};
use std::thread;

use proactor::codec::{LengthPrefixed, Lines};
use proactor::{Builder, CloseReason, Flow, Handler, Limits, Listener, NoMessage, Server, Session};

use crate::harness::{
    Refusing, address_of, ask, backends, connect, exchange, expect, finish, read_end, read_to_end, wait_until,
};
use crate::page::Page;

/// Echoes. Some packets are commands.
#[derive(Clone)]
pub(crate) struct Echo;

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        match packet {
            b"close" => return Flow::Close,
            b"panic" => panic!("as the test asked for"),
            // Two packets in one.
            b"twice" => session.send(b"twice").and_then(|()| session.send(b"twice")).unwrap(),
            packet => session.send(packet).unwrap(),
        }
        Flow::Continue
    }
}

fn two_listeners(backend: proactor::Backend) -> Builder {
    let lines = Listener::new("127.0.0.1:0").name("lines").codec(Lines::new());
    let frames = Listener::new("127.0.0.1:0").name("frames").codec(LengthPrefixed::u16());
    Server::builder().listen(lines).listen(frames).shards(2).backend(Some(backend)).metrics(true)
}

/// Reads to the end, which may be a reset.
fn wait_end(mut client: &std::net::TcpStream) {
    while client.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
}

/// What a crowd of clients has sent and got.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    bytes: f64,
    packets: f64,
}

/// Bursts of lines, which the server answers line by line.
fn talk_lines(address: std::net::SocketAddr, seed: usize) -> Tally {
    let client = connect(address);
    let mut tally = Tally::default();
    for round in 0..20 {
        let lines = 1 + (seed * 7 + round * 13) % 40;
        let burst: Vec<u8> =
            (0..lines).flat_map(|line| [vec![b'a'; (line * seed) % 50], b"\n".to_vec()].concat()).collect();
        exchange(&client, &burst);
        tally.bytes += burst.len() as f64;
        tally.packets += lines as f64;
    }
    tally
}

/// Single frames.
fn talk_frames(address: std::net::SocketAddr, seed: usize) -> Tally {
    let client = connect(address);
    let mut tally = Tally::default();
    for round in 0..10 {
        let len = 1 + (seed * 31 + round * 57) % 3_000;
        let frame = [(len as u16).to_be_bytes().to_vec(), vec![7; len]].concat();
        exchange(&client, &frame);
        tally.bytes += frame.len() as f64;
        tally.packets += 1.0;
    }
    tally
}

#[test]
fn bytes_and_packets_are_what_the_clients_have_counted_by_listener() {
    for backend in backends() {
        let server = two_listeners(backend).start(Echo).unwrap();
        let addresses: Vec<_> = server.local_addrs().iter().map(|address| address.ip().unwrap()).collect();
        let crowd = |talk: fn(std::net::SocketAddr, usize) -> Tally, address| {
            let clients: Vec<_> = (1..=8).map(|seed| thread::spawn(move || talk(address, seed))).collect();
            let tallies = clients.into_iter().map(|client| client.join().unwrap());
            tallies.fold(Tally::default(), |all, one| Tally {
                bytes: all.bytes + one.bytes,
                packets: all.packets + one.packets,
            })
        };
        let (lines, frames) = (crowd(talk_lines, addresses[0]), crowd(talk_frames, addresses[1]));
        let handle = server.handle();
        wait_until("all sessions have ended", || handle.sessions() == 0);
        finish(server);
        let page = Page::of(&handle);
        page.check_histograms();
        for (listener, tally) in [("lines", lines), ("frames", frames)] {
            let of = |name: &str| page.sum(name, &[("listener", listener)]);
            assert_eq!(of("proactor_accepts_total"), 8.0);
            assert_eq!(of("proactor_sessions"), 0.0);
            let received =
                Tally { bytes: of("proactor_received_bytes_total"), packets: of("proactor_received_packets_total") };
            let sent = Tally { bytes: of("proactor_sent_bytes_total"), packets: of("proactor_sent_packets_total") };
            assert_eq!((received, sent), (tally, tally), "{backend:?}, {listener}");
            assert_eq!(of("proactor_queued_bytes"), 0.0);
            let by_peer = page.sum("proactor_closes_total", &[("listener", listener), ("reason", "by_peer")]);
            assert_eq!(by_peer, 8.0);
            assert_eq!(of("proactor_closes_total"), 8.0, "and for no other reason");
        }
        assert!(page.sum_or_none("proactor_sessions", &[("listener", "outbound")]) == 0.0);
        let shards = ["0", "1"].map(|shard| page.sum("proactor_accepts_total", &[("shard", shard)]));
        assert_eq!(shards[0] + shards[1], 16.0);
        assert!(page.sum("proactor_turn_seconds_sum", &[]) > 0.0);
        assert!(page.sum("proactor_turn_completions_sum", &[]) >= 16.0);
        let turns = |name| page.sum(name, &[]);
        assert_eq!(turns("proactor_turn_seconds_count"), turns("proactor_turn_completions_count"));
    }
}

#[test]
fn sessions_and_what_is_queued_are_counted_while_they_are_there() {
    for backend in backends() {
        let server = two_listeners(backend).start(Echo).unwrap();
        let clients: Vec<_> = (0..5).map(|_| connect(address_of(&server))).collect();
        let handle = server.handle();
        wait_until("five sessions", || Page::of(&handle).sum("proactor_sessions", &[("listener", "lines")]) == 5.0);
        assert_eq!(Page::of(&handle).sum("proactor_handshakes", &[("listener", "lines")]), 5.0);
        exchange(&clients[0], b"hello\n");
        let handshakes = |page: &Page| page.sum("proactor_handshakes", &[("listener", "lines")]);
        assert_eq!(handshakes(&Page::of(&handle)), 4.0, "the first packet ends it");
        drop(clients);
        wait_until("they are gone", || Page::of(&handle).sum("proactor_sessions", &[]) == 0.0);
        finish(server);
    }
}

#[test]
fn refusals_are_counted_by_reason_and_listener() {
    for backend in backends() {
        let limits = Limits::new().sessions(2).refusal("full\n");
        let server = two_listeners(backend).limits(limits).start(Echo).unwrap();
        let kept = [(); 2].map(|()| connect(address_of(&server)));
        kept.iter().for_each(|client| exchange(client, b"hello\n"));
        for _ in 0..3 {
            let refused = connect(server.local_addrs()[1].ip().unwrap());
            expect(&refused, b"full\n");
            read_end(&refused);
        }
        let handle = server.handle();
        let page = Page::of(&handle);
        let refused = |labels: &[(&str, &str)]| page.sum("proactor_refusals_total", labels);
        assert_eq!(refused(&[("listener", "frames"), ("reason", "sessions")]), 3.0);
        assert_eq!(refused(&[]), 3.0);
        assert_eq!(handle.stats().refused_in_all(), 3);
        finish(server);
    }
}

#[test]
fn closes_are_counted_by_reason() {
    for backend in backends() {
        let server = two_listeners(backend).start(Echo).unwrap();
        let (lines, frames) = (address_of(&server), server.local_addrs()[1].ip().unwrap());
        let closed = connect(lines);
        ask(&closed, b"one\nclose\nnever\n", b"one\n");
        read_end(&closed);
        let panicked = connect(lines);
        (&panicked).write_all(b"panic\n").unwrap();
        read_end(&panicked);
        let truncated = connect(frames);
        (&truncated).write_all(&[0, 9, 1]).unwrap();
        truncated.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&truncated), b"");
        // Without a linger.
        drop((closed, panicked, truncated));
        let handle = server.handle();
        wait_until("all three have ended", || handle.stats().closed_in_all() == 3);
        let left = connect(lines);
        exchange(&left, b"hello\n");
        finish(server);
        let page = Page::of(&handle);
        let of = |reason| page.sum("proactor_closes_total", &[("reason", reason)]);
        let counted = ["by_handler", "panic", "protocol", "server_stopping"].map(of);
        assert_eq!(counted, [1.0; 4]);
        assert_eq!(page.sum("proactor_closes_total", &[]), 4.0);
        assert_eq!(handle.stats().closed(CloseReason::Panic), 1);
        // Two packets before the close, one that panicked, and one of the last.
        let received = page.sum("proactor_received_packets_total", &[("listener", "lines")]);
        assert_eq!(received, 4.0);
        assert_eq!(page.sum("proactor_ends_total", &[]), 4.0);
    }
}

#[test]
fn a_burst_of_answers_is_as_many_packets() {
    for backend in backends() {
        let server = two_listeners(backend).start(Echo).unwrap();
        let client = connect(address_of(&server));
        ask(&client, &b"twice\n".repeat(500), &b"twice\n".repeat(1_000));
        drop(client);
        let handle = server.handle();
        wait_until("it has ended", || handle.stats().closed_in_all() == 1);
        let page = Page::of(&handle);
        assert_eq!(page.sum("proactor_received_packets_total", &[]), 500.0);
        assert_eq!(page.sum("proactor_sent_packets_total", &[]), 1_000.0);
        assert_eq!(page.sum("proactor_sent_bytes_total", &[]), 6_000.0);
        finish(server);
    }
}

#[test]
fn a_burst_that_a_panic_or_a_close_ends_is_counted_up_to_it() {
    let frames = |packets: &[&[u8]]| -> Vec<u8> {
        let frame = |packet: &&[u8]| [&(packet.len() as u16).to_be_bytes()[..], packet].concat();
        packets.iter().flat_map(frame).collect()
    };
    for backend in backends() {
        let server = two_listeners(backend).start(Echo).unwrap();
        let address = server.local_addrs()[1].ip().unwrap();
        for ending in [&b"panic"[..], b"close"] {
            let client = connect(address);
            let burst = [&b"one"[..], b"two", b"three", ending, b"never", b"never"];
            (&client).write_all(&frames(&burst)).unwrap();
            wait_end(&client);
        }
        let handle = server.handle();
        wait_until("both have ended", || handle.stats().closed_in_all() == 2);
        let page = Page::of(&handle);
        assert_eq!(page.sum("proactor_received_packets_total", &[]), 8.0, "{backend:?}");
        assert_eq!(page.sum("proactor_sent_packets_total", &[]), 6.0, "{backend:?}");
        finish(server);
    }
}

#[test]
fn a_server_that_does_not_count_has_an_empty_page() {
    let server = Server::builder().listen("127.0.0.1:0").shards(1).start(Echo).unwrap();
    exchange(&connect(address_of(&server)), b"hello");
    assert_eq!(Page::of(&server.handle()).names().count(), 0);
    finish(server);
}

#[test]
fn outbound_connections_are_counted_apart() {
    for backend in backends() {
        let upstream = two_listeners(backend).start(Echo).unwrap();
        let target = address_of(&upstream);
        let server = two_listeners(backend).start(Echo).unwrap();
        let handle = server.handle();
        assert_eq!(Page::of(&handle).sum_or_none("proactor_sessions", &[("listener", "outbound")]), 0.0);
        handle.connect(target, 1).unwrap();
        let dead = Refusing::v4();
        handle.connect(dead.address, 2).unwrap();
        wait_until("both have come out", || {
            let (stats, page) = (handle.stats(), Page::of(&handle));
            // A connection is counted before its session begins.
            let sessions = page.sum_or_none("proactor_sessions", &[("listener", "outbound")]);
            (stats.connected, stats.connects_failed, sessions) == (1, 1, 1.0)
        });
        let page = Page::of(&handle);
        assert_eq!(page.sum("proactor_connects_total", &[]), 1.0);
        assert_eq!(page.sum("proactor_connect_failures_total", &[]), 1.0);
        assert_eq!(page.sum("proactor_accepts_total", &[]), 0.0);
        finish(server);
        finish(upstream);
    }
}
