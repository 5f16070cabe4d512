//! Broadcasts.

use proactor::codec::Lines;
use proactor::{Flow, Group, Handler, Listener, NoMessage, Server, Session};

use crate::harness::{address_of, backends, connect, expect, finish, wait_until};
use crate::page::Page;

/// A room that all sessions are in. A packet goes to all others.
#[derive(Clone)]
struct Room(Group);

impl Handler for Room {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.0).unwrap();
        session.send(b"hello").unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        self.0.broadcast_except(session.id(), packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

#[test]
fn a_broadcast_is_a_packet_for_each_member_that_gets_it() {
    for backend in backends() {
        let listener = Listener::new("127.0.0.1:0").name("room").codec(Lines::new());
        let builder = Server::builder().listen(listener).shards(2).backend(Some(backend)).metrics(true);
        let group = Group::new();
        let server = builder.start(Room(group.clone())).unwrap();
        let handle = server.handle();
        const MEMBERS: usize = 9;
        let clients: Vec<_> = (0..MEMBERS).map(|_| connect(address_of(&server))).collect();
        clients.iter().for_each(|client| expect(client, b"hello\n"));
        use std::io::Write;
        for (index, mut client) in clients.iter().enumerate() {
            client.write_all(format!("{index}\n").repeat(10).as_bytes()).unwrap();
            for (other, client) in clients.iter().enumerate() {
                if other != index {
                    expect(client, format!("{index}\n").repeat(10).as_bytes());
                }
            }
        }
        // From outside, to all.
        group.broadcast(b"all").unwrap();
        clients.iter().for_each(|client| expect(client, b"all\n"));
        drop(clients);
        wait_until("all have ended", || handle.stats().closed_in_all() == MEMBERS as u64);
        finish(server);
        let page = Page::of(&handle);
        let (private, broadcast) = (MEMBERS as f64, (MEMBERS * 10 * (MEMBERS - 1) + MEMBERS) as f64);
        assert_eq!(page.sum("proactor_sent_packets_total", &[("listener", "room")]), private + broadcast);
        let bytes = 6.0 * private + 2.0 * (broadcast - private) + 4.0 * private;
        assert_eq!(page.sum("proactor_sent_bytes_total", &[]), bytes);
        // Both shards have members, and count each broadcast.
        assert_eq!(page.sum("proactor_broadcasts_total", &[]), 2.0 * (MEMBERS * 10 + 1) as f64);
        assert_eq!(page.sum("proactor_queued_bytes", &[]), 0.0);
        page.check_histograms();
    }
}
