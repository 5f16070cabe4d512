//! Drains that are spread over a time, and drains of a server whose listeners another process has,
//! in simulated time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proactor::codec::Lines;
use proactor::{
    CloseReason, DrainOptions, Flow, Handler, Network, NoMessage, Server, Session, SessionId, SimClient, Simulation,
};

const SECOND: Duration = Duration::from_secs(1);

/// Sends each packet back, and counts the sessions that were asked to end.
#[derive(Clone, Default)]
struct Echo(Arc<AtomicUsize>);

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn closed(&mut self, _: SessionId, (): (), _: &CloseReason) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A server, and how many of its sessions were asked to end.
fn server(seed: u64, shards: usize) -> (Simulation<Echo>, Arc<AtomicUsize>) {
    let echo = Echo::default();
    let asked = Arc::clone(&echo.0);
    let builder = Server::builder().listen("10.0.0.1:80").shards(shards).codec(Lines::new());
    (builder.simulate(&Network::new(seed), echo).unwrap(), asked)
}

fn clients(server: &Simulation<Echo>, count: usize) -> Vec<SimClient> {
    (0..count).map(|_| server.client("10.0.0.1:80", Lines::new())).collect()
}

/// Ends the clients of sessions that were asked to end, and then the server has ended.
fn end(server: &Simulation<Echo>, clients: &[SimClient], cut: u64) {
    clients.iter().for_each(SimClient::close);
    server.advance(SECOND);
    assert!(server.has_ended());
    assert_eq!(server.handle().stats().drain_cut, cut);
}

#[test]
fn closes_are_spread_evenly_and_until_its_turn_a_session_goes_on() {
    for shards in [1, 2] {
        let (server, asked) = server(3, shards);
        let clients = clients(&server, 40);
        let handle = server.handle();
        handle.drain_as(DrainOptions::new(SECOND * 60).spread(SECOND * 20));
        assert!(handle.is_ending(), "from the first moment on");
        for second in 1..=20_usize {
            server.advance(SECOND);
            let asked = asked.load(Ordering::Relaxed);
            // Two a second, as near as a moment on each shard.
            assert!(asked.abs_diff(2 * second) <= 2 * shards, "{asked} were asked to end in {second} s");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 40);
        end(&server, &clients, 0);
    }
}

#[test]
fn until_its_turn_a_session_goes_on() {
    let (server, asked) = server(6, 1);
    let clients = clients(&server, 10);
    server.handle().drain_as(DrainOptions::new(SECOND * 60).spread(SECOND * 20));
    server.advance(SECOND * 10);
    let before = asked.load(Ordering::Relaxed);
    assert!((4..=7).contains(&before), "{before}");
    // Of those that were asked to end, none answers: the first answer is of one that was not.
    clients.iter().for_each(|client| client.send("still here"));
    server.advance(SECOND / 10);
    assert_eq!(asked.load(Ordering::Relaxed), before, "a packet changes nothing");
    server.advance(SECOND * 11);
    assert_eq!(asked.load(Ordering::Relaxed), 10);
    end(&server, &clients, 0);
}

#[test]
fn the_deadline_holds_whatever_the_spread() {
    let (server, _) = server(4, 2);
    let _clients = clients(&server, 10);
    server.handle().drain_as(DrainOptions::new(SECOND).spread(SECOND * 1000));
    server.advance(SECOND + SECOND / 10);
    assert!(server.has_ended());
}

#[test]
fn a_new_client_has_time_for_its_first_packet_if_another_process_has_the_listeners() {
    let (server, asked) = server(5, 2);
    let old = clients(&server, 2);
    server.advance(SECOND * 10);
    let new = clients(&server, 2);
    server.handle().drain_as(DrainOptions::new(SECOND * 60).handing_over());
    server.advance(SECOND);
    assert_eq!(asked.load(Ordering::Relaxed), 2, "those that have been silent for long are asked at once");
    new[0].send("first");
    new[0].expect("first");
    server.advance(SECOND / 10);
    assert_eq!(asked.load(Ordering::Relaxed), 3, "it has its answer, and is idle");
    server.advance(SECOND * 2);
    assert_eq!(asked.load(Ordering::Relaxed), 4, "who says nothing holds up nothing for long");
    old.iter().for_each(SimClient::close);
    end(&server, &new, 0);
}
