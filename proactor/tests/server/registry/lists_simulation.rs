//! Lists of sessions on simulated networks: in slices, with every session that stays, under every
//! seed, and complete when the server ends meanwhile.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use overlapped::Op;
use overlapped::driver::{CloseMode, SocketId};
use proactor::{Flow, Handler, Network, NoMessage, Server, Session, SessionId};

use crate::harness::{client, driver, turn};

#[derive(Clone, Default)]
struct Keeps(Arc<Mutex<Vec<SessionId>>>);

impl Handler for Keeps {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        self.0.lock().unwrap().push(session.id());
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
    fn closed(&mut self, id: SessionId, (): (), _: &proactor::CloseReason) {
        self.0.lock().unwrap().retain(|open| *open != id);
    }
}

/// Returns how many sessions stayed during the list, how many were listed, and how many turns it
/// took.
fn run(seed: u64, clients: usize, ends: bool) -> (usize, usize, usize, u64) {
    let network = Network::new(seed);
    let logic = Keeps::default();
    let builder = Server::builder().listen("10.0.0.1:7777").shards(1 + seed as usize % 3);
    let mut server = builder.simulate(&network, logic.clone()).unwrap();
    let mut driver = driver(&network);
    let address = server.local_addrs()[0].clone();
    let mut sockets: Vec<SocketId> = (0..clients).map(|_| client(&mut driver, &address)).collect();
    let all = server.run(|_| {
        turn(&mut driver);
        logic.0.lock().unwrap().len() == clients
    });
    assert!(all.unwrap());
    let mut staying = logic.0.lock().unwrap().clone();
    let handle = server.handle();
    let mut list = pin!(handle.list_sessions(|_| true).unwrap());
    for _ in 0..8 {
        let at = driver.random() as usize % sockets.len();
        driver.submit(Op::close(sockets[at], CloseMode::Abort), 0).unwrap();
        sockets[at] = client(&mut driver, &address);
    }
    if ends {
        handle.stop();
    }
    let mut context = Context::from_waker(Waker::noop());
    for turns in 1.. {
        server.turn().unwrap();
        turn(&mut driver);
        if turns % 2 == 0 {
            network.advance_to(network.now() + Duration::from_micros(driver.random() % 200));
        }
        let open = logic.0.lock().unwrap().clone();
        staying.retain(|id| open.contains(id));
        if let Poll::Ready(found) = list.as_mut().poll(&mut context) {
            let mut ids: Vec<SessionId> = found.iter().map(|info| info.id()).collect();
            ids.sort_unstable();
            assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "seed {seed}: one is listed twice");
            let missing = staying.iter().filter(|id| ids.binary_search(id).is_err()).count();
            assert!(ends || missing == 0, "seed {seed}: {missing} are missing");
            return (staying.len(), ids.len(), turns, network.trace());
        }
        assert!(turns < 1_000, "seed {seed}: the list is not complete");
    }
    unreachable!("the loop returns")
}

#[test]
fn those_that_stay_are_listed_once() {
    for seed in 0..40 {
        let (staying, listed, ..) = run(seed, 40, false);
        assert!(staying >= 20 && listed >= staying, "seed {seed}: {staying} stay, {listed} are listed");
    }
}

#[test]
fn a_shard_looks_at_a_thousand_in_a_turn() {
    for seed in [3, 6] {
        let (_, listed, turns, _) = run(seed, 3_500, false);
        assert!(listed >= 3_400 && turns >= 4, "{listed} in {turns} turns");
    }
}

#[test]
fn a_list_is_complete_when_the_server_ends_meanwhile() {
    for seed in 0..20 {
        run(seed, 30, true);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..4 {
        assert_eq!(run(seed, 40, false), run(seed, 40, false), "seed {seed}");
    }
}
