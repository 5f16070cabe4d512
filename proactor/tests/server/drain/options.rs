//! Drains that are spread over a time, and drains of a server whose listeners another process has,
//! in simulated time.

use std::time::Duration;

use proactor::codec::Lines;
use proactor::{AsyncSession, DrainOptions, Network, Server, SimClient, Simulation, Tasks};

const SECOND: Duration = Duration::from_secs(1);

async fn echo(session: AsyncSession) {
    while let Some(line) = session.next().await {
        let _ = session.send(line).await;
    }
}

fn server(
    network: &Network,
    shards: usize,
) -> Simulation<impl proactor::Handler<Message = proactor::NoMessage> + use<>> {
    let builder = Server::builder().listen("10.0.0.1:80").shards(shards).codec(Lines::new());
    builder.simulate(network, Tasks::new(echo)).unwrap()
}

fn clients<H: proactor::Handler>(server: &Simulation<H>, count: usize) -> Vec<SimClient> {
    (0..count).map(|_| server.client("10.0.0.1:80", Lines::new())).collect()
}

#[test]
fn closes_are_spread_evenly_and_until_its_turn_a_session_goes_on() {
    for shards in [1, 2] {
        let network = Network::new(3);
        let server = server(&network, shards);
        let clients = clients(&server, 40);
        let handle = server.handle();
        handle.drain_as(DrainOptions::new(SECOND * 60).spread(SECOND * 20));
        assert!(handle.is_ending(), "from the first moment on");
        let mut before = 40;
        for second in 1..=20_usize {
            server.advance(SECOND);
            let left = handle.sessions();
            // Two a second, as near as a moment on each shard.
            assert!(left.abs_diff(40 - 2 * second) <= 2 * shards, "{left} are left after {second} s");
            assert!(left <= before, "nobody comes");
            before = left;
            if second == 10 {
                let last = clients.last().unwrap();
                last.send("still here");
                last.expect("still here");
            }
        }
        server.advance(SECOND);
        assert!(server.has_ended());
        let stats = handle.stats();
        assert_eq!((stats.drained, stats.drain_cut), (40, 0));
    }
}

#[test]
fn the_deadline_holds_whatever_the_spread() {
    let network = Network::new(4);
    let server = server(&network, 2);
    let _clients = clients(&server, 10);
    server.handle().drain_as(DrainOptions::new(SECOND).spread(SECOND * 1000));
    server.advance(SECOND + SECOND / 10);
    assert!(server.has_ended());
    assert_eq!(server.handle().stats().drain_cut, 0, "they were idle");
}

#[test]
fn a_new_client_has_time_for_its_first_packet_if_another_process_has_the_listeners() {
    let network = Network::new(5);
    let server = server(&network, 2);
    let old = clients(&server, 2);
    server.advance(SECOND * 10);
    let new = clients(&server, 2);
    let handle = server.handle();
    handle.drain_as(DrainOptions::new(SECOND * 60).handing_over());
    server.advance(SECOND);
    assert_eq!(handle.sessions(), 2, "those that have been silent for long are closed at once");
    new[0].send("first");
    new[0].expect("first");
    server.advance(SECOND / 10);
    assert_eq!(handle.sessions(), 1, "it has its answer, and is idle");
    server.advance(SECOND * 2);
    assert!(server.has_ended(), "who says nothing holds up nothing for long");
    assert_eq!(handle.stats().drain_cut, 0);
    drop(old);
}
