//! Connections whose opener has closed when they are made.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::codec::Raw;
use proactor::{
    Builder, ConnectError, ConnectFailure, Flow, Handler, Listener, Network, NoMessage, Origin, Server, Session, Target,
};

use crate::harness::{connect, on_each_backend, wait_until};

const ATTEMPTS: u64 = 8;

/// What the handler was told of the attempts.
#[derive(Debug, Default)]
struct Told {
    connected: u64,
    orphans: u64,
    cancelled: u64,
}

/// A client has many connections made to the second listener. The first that is made closes it.
#[derive(Clone, Default)]
struct Opens {
    to: Arc<Mutex<Option<Target>>>,
    told: Arc<Mutex<Told>>,
}

impl Handler for Opens {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        match (session.origin(), session.listener()) {
            (Origin::Connected { opener, .. }, _) => {
                let told = &mut *self.told.lock().unwrap();
                told.connected += 1;
                match opener.and_then(|opener| session.sibling(opener)) {
                    Some(opener) => opener.abort(),
                    None => told.orphans += 1,
                }
            }
            (_, Some(listener)) if listener.name() == "front" => {
                let to = self.to.lock().unwrap().clone().unwrap();
                (0..ATTEMPTS).for_each(|token| session.connect(to.clone(), token).unwrap());
            }
            _ => {}
        }
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
    fn connect_failed(&mut self, opener: Option<&Session>, _: u64, error: &ConnectError) {
        assert!(opener.is_none());
        assert_eq!(error.failure(), ConnectFailure::Cancelled, "{error}");
        self.told.lock().unwrap().cancelled += 1;
    }
}

fn check(told: &Told, seed: u64) {
    assert_eq!(told.orphans, 0, "seed {seed}: {told:?}");
    assert_eq!((told.connected, told.cancelled), (1, ATTEMPTS - 1), "seed {seed}");
}

fn with_front(builder: Builder, at: &str) -> Builder {
    builder.shards(1).listen(Listener::new(at).name("front"))
}

#[test]
fn a_connection_that_is_made_in_the_turn_in_which_its_opener_closes_begins_no_session() {
    for seed in 0..50 {
        let logic = Opens::default();
        *logic.to.lock().unwrap() = Some("10.0.0.1:80".parse().unwrap());
        let builder = with_front(Server::builder().listen("10.0.0.1:80"), "10.0.0.1:81");
        let network = Network::new(seed);
        let mut sim = builder.simulate(&network, logic.clone()).unwrap();
        let _client = sim.client("10.0.0.1:81", Raw);
        for _ in 0..20 {
            // Without a turn, so that several are made by the next.
            let until = network.now() + Duration::from_millis(50);
            while network.advance_to(until) {}
            sim.turn().unwrap();
        }
        check(&logic.told.lock().unwrap(), seed);
        let stats = sim.handle().stats();
        assert_eq!((stats.connected, stats.connects_failed), (1, ATTEMPTS - 1));
    }
}

#[test]
fn on_a_system_too_no_session_begins_whose_opener_has_closed() {
    on_each_backend(|builder| {
        for round in 0..10 {
            let logic = Opens::default();
            let server = with_front(builder.clone(), "127.0.0.1:0").start(logic.clone()).unwrap();
            let [to, front] = [0, 1].map(|at| server.local_addrs()[at].ip().unwrap());
            *logic.to.lock().unwrap() = Some(to.to_string().parse().unwrap());
            let _client = connect(front);
            wait_until("all attempts have ended", || {
                let told = logic.told.lock().unwrap();
                told.connected + told.cancelled == ATTEMPTS
            });
            check(&logic.told.lock().unwrap(), round);
            server.handle().stop();
            server.wait().unwrap();
        }
    });
}
