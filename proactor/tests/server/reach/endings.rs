//! Messages at the end of what they are for: a server that is drained while they wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::codec::Raw;
use proactor::{Flow, Handler, Network, Server, Session, SessionId};

use crate::harness::{address_of, connect, exchange, on_each_backend};

const CLIENTS: usize = 10;
const EACH: usize = 1000;

/// Counts its messages.
#[derive(Clone, Default)]
struct Counts {
    ids: Arc<Mutex<Vec<SessionId>>>,
    messages: Arc<AtomicUsize>,
}

impl Handler for Counts {
    type State = ();
    type Message = ();
    fn connected(&mut self, session: &Session) {
        self.ids.lock().unwrap().push(session.id());
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn message(&mut self, _: &Session, (): &mut (), (): ()) {
        self.messages.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn messages_that_were_posted_before_a_drain_are_handed_over_in_it() {
    on_each_backend(|builder| {
        let counts = Counts::default();
        let server = builder.shards(1).start(counts.clone()).unwrap();
        let clients: Vec<_> = (0..CLIENTS).map(|_| connect(address_of(&server))).collect();
        clients.iter().for_each(|client| exchange(client, b"in"));
        let handle = server.handle();
        // All are posted before the shard has handed over the first.
        for id in counts.ids.lock().unwrap().iter() {
            (0..EACH).for_each(|_| handle.post(*id, ()).unwrap());
        }
        handle.drain(Duration::from_secs(60));
        server.wait().unwrap();
        assert_eq!(counts.messages.load(Ordering::SeqCst), CLIENTS * EACH);
    });
}

#[test]
fn messages_that_were_posted_before_a_drain_are_handed_over_in_it_under_every_seed() {
    for seed in 0..20 {
        let network = Network::new(seed);
        let counts = Counts::default();
        let builder = Server::builder().listen("10.0.0.1:80").shards(1);
        let server = builder.simulate(&network, counts.clone()).unwrap();
        let address = server.local_addrs()[0].clone();
        let clients: Vec<_> = (0..CLIENTS).map(|_| server.client(&address, Raw)).collect();
        let handle = server.handle();
        for id in counts.ids.lock().unwrap().iter() {
            (0..EACH).for_each(|_| handle.post(*id, ()).unwrap());
        }
        handle.drain(Duration::from_secs(60));
        clients.iter().for_each(|client| client.expect_closed());
        assert_eq!(counts.messages.load(Ordering::SeqCst), CLIENTS * EACH, "seed {seed}");
    }
}
