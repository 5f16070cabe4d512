//! What lists say of sessions of a server that counts, against what each client has counted; the
//! sums over all of them.

use std::io::{Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::sync::mpsc;

use proactor::codec::Lines;
use proactor::{Flow, Handler, Hold, Listener, NoMessage, Server, Session, SessionId};
use rustls::StreamOwned;

use crate::counts::Echo;
use crate::harness::{
    PATIENCE, ReportsIds, address_of, backends, builder, connect, exchange, finish, next, wait_until,
};
use crate::page::Page;
use crate::peers::{Authority, NAME};

#[test]
fn each_session_has_the_bytes_that_its_client_has_counted_and_a_later_one_in_its_slot_its_own() {
    for backend in backends() {
        let listener = Listener::new("127.0.0.1:0").codec(Lines::new());
        let server = Server::builder().listen(listener).shards(2).backend(Some(backend)).metrics(true);
        let server = server.start(Echo).unwrap();
        let handle = server.handle();
        for round in 1..=2_usize {
            let clients: Vec<_> = (0..6).map(|_| connect(address_of(&server))).collect();
            for (number, client) in clients.iter().enumerate() {
                (0..=number).for_each(|_| exchange(client, &[b"0123456789\n".as_slice(); 3].concat()[..11 * round]));
            }
            let bytes = |number: usize| Some(((number + 1) * 11 * round) as u64);
            let mut list = Vec::new();
            wait_until("the last bytes are counted", || {
                list = handle.list_sessions(|_| true).unwrap().wait();
                list.sort_by_key(|info| info.sent());
                list.len() == 6 && list.iter().enumerate().all(|(number, info)| info.sent() == bytes(number))
            });
            for (number, info) in list.iter().enumerate() {
                assert_eq!(info.received(), bytes(number), "{backend:?}");
                assert_eq!(info.peer_addr().ip(), Some(clients[number].local_addr().unwrap()));
                assert_eq!((info.holds().count(), info.groups()), (0, 0));
                assert_eq!(handle.look_up(info.id()).unwrap().wait()[0].id(), info.id());
            }
            drop(clients);
            wait_until("all have ended", || handle.sessions() == 0);
            assert!(handle.look_up(list[0].id()).unwrap().wait().is_empty(), "it has ended");
        }
        for unknown in ["0.4294967295.0", "1.77.3", "9.0.0"] {
            assert!(handle.look_up(unknown.parse().unwrap()).unwrap().wait().is_empty(), "{unknown}");
        }
        let page = Page::of(&handle);
        let totals = handle.totals().unwrap();
        assert_eq!(totals.received_bytes as f64, page.sum("proactor_received_bytes_total", &[]));
        assert_eq!((totals.received_bytes, totals.sent_bytes), (11 * 3 * 21, 11 * 3 * 21));
        assert_eq!((totals.received_packets, totals.sent_packets, totals.queued_bytes), (63, 63, 0));
        assert_eq!(totals.turn_times().map(|(_, turns)| turns).sum::<u64>(), totals.turns);
        assert!(totals.turns > 0 && !totals.turn_time.is_zero());
        finish(server);
    }
}

#[test]
fn bytes_of_sessions_over_tls_and_of_datagrams_are_those_on_the_wire() {
    let authority = Authority::new();
    for backend in backends() {
        let over_tls = Listener::new("127.0.0.1:0").tls(&authority.tls()).codec(Lines::new());
        let datagrams = Listener::datagrams("127.0.0.1:0");
        let server = Server::builder().listen(over_tls).listen(datagrams).shards(1).backend(Some(backend));
        let server = server.metrics(true).start(Echo).unwrap();
        let handle = server.handle();
        let mut client = StreamOwned::new(authority.peer().connection(NAME), connect(address_of(&server)));
        client.write_all(b"hello\n").unwrap();
        client.read_exact(&mut [0; 6]).unwrap();
        let of_listener = |index: usize, expected: Option<(u64, u64)>| {
            let mut found = None;
            wait_until("the last bytes are counted", || {
                let list = handle.list_sessions(move |info| info.listener().is_some_and(|own| own.index() == index));
                found = list.unwrap().wait().first().and_then(|info| info.received().zip(info.sent()));
                expected.is_none_or(|expected| found == Some(expected))
            });
            found.unwrap()
        };
        let (received, sent) = of_listener(0, None);
        assert!(received > 100 && sent > 500, "a handshake is more than the line: {received}, {sent}");
        let page = Page::of(&handle);
        assert_eq!(received as f64, page.sum("proactor_received_bytes_total", &[]));
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.connect(server.local_addrs()[1].ip().unwrap()).unwrap();
        for length in [1, 700, 30] {
            peer.send(&vec![7; length]).unwrap();
            assert_eq!(peer.recv(&mut [0; 2000]).unwrap(), length);
        }
        assert_eq!(of_listener(1, Some((731, 731))), (731, 731));
        client.sock.shutdown(Shutdown::Both).unwrap();
        finish(server);
    }
}

/// Members of two named groups and of one without a name, which are not read from.
#[derive(Clone)]
struct Held(mpsc::Sender<SessionId>);

impl Handler for Held {
    type State = proactor::Group;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> proactor::Group {
        let (handle, nameless) = (session.handle(), proactor::Group::new());
        for group in [&handle.group("hall").unwrap(), &handle.group("bar").unwrap(), &nameless] {
            session.join(group).unwrap();
        }
        session.pause();
        let _ = self.0.send(session.id());
        nameless
    }
    fn received(&mut self, _: &Session, _: &mut proactor::Group, _: &[u8]) -> Flow {
        Flow::Continue
    }
}

#[test]
fn a_list_says_why_a_session_is_not_read_from_and_which_groups_it_is_in() {
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let server = builder(backend, 1).start(Held(ids)).unwrap();
        let handle = server.handle();
        let client = connect(address_of(&server));
        let id = next(&came);
        let info = handle.look_up(id).unwrap().wait().remove(0);
        assert!(info.holds().eq([Hold::Paused]));
        let mut names: Vec<&[u8]> = info.group_names().collect();
        names.sort_unstable();
        assert_eq!((info.groups(), &names[..]), (3, &[b"bar".as_slice(), b"hall"][..]));
        assert_eq!((info.received(), info.sent()), (None, None), "the server does not count");
        assert_eq!(handle.totals(), None);
        drop(client);
        handle.abort(id).unwrap();
        finish(server);
        assert!(handle.is_ending());
    }
}

#[test]
fn a_server_is_ending_from_the_call_on() {
    let (ids, _came) = mpsc::channel();
    let server = builder(backends()[0], 1).start(ReportsIds(ids)).unwrap();
    let handle = server.handle();
    assert!(!handle.is_ending());
    handle.drain(PATIENCE);
    assert!(handle.is_ending());
    server.wait().unwrap();
}
