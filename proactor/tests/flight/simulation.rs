//! On simulated networks: each life is whole and in order, whatever the order of events, and the
//! same each time.

use std::collections::BTreeMap;
use std::time::Duration;

use proactor::codec::Lines;
use proactor::{FlightKind, Hold, Limits, Network, Rate, Server, SessionId};

use crate::lives::Commanded;

const ADDRESS: &str = "10.0.0.1:80";

/// Clients that come, talk faster than they may, and leave. Returns the recording as lines.
fn run(seed: u64) -> (Vec<String>, BTreeMap<SessionId, Vec<FlightKind>>) {
    let limits = Limits::new().packet_rate(Rate::per_second(10).burst(5));
    let builder = Server::builder().listen(ADDRESS).shards(2).codec(Lines::new()).limits(limits);
    let sim = builder.flight_recorder(4_096).simulate(&Network::new(seed), Commanded::new()).unwrap();
    let clients: Vec<_> = (0..8).map(|_| sim.client(ADDRESS, Lines::new())).collect();
    for (index, client) in clients.iter().enumerate() {
        for line in 0..20 {
            client.send(format!("{index} {line}"));
        }
    }
    for (index, client) in clients.iter().enumerate() {
        (0..20).for_each(|line| client.expect(format!("{index} {line}")));
        match index % 3 {
            0 => client.close(),
            1 => client.reset(),
            _ => client.send("close"),
        }
    }
    sim.advance(Duration::from_secs(20));
    let events = sim.handle().flight_events().unwrap();
    let mut lives: BTreeMap<SessionId, Vec<FlightKind>> = BTreeMap::new();
    for event in &events {
        lives.entry(event.session().unwrap()).or_default().push(event.kind());
    }
    (events.iter().map(ToString::to_string).collect(), lives)
}

#[test]
fn every_life_is_whole_and_the_same_for_the_same_seed() {
    for seed in 0..8 {
        let (lines, lives) = run(seed);
        assert_eq!(run(seed).0, lines, "seed {seed}");
        assert_eq!(lives.len(), 8, "seed {seed}");
        for (id, life) in lives {
            let [FlightKind::Accepted, between @ .., FlightKind::Closing(_), FlightKind::Ended(_)] = &life[..] else {
                panic!("seed {seed}, {id}: {life:?}");
            };
            assert!(between.len() >= 2, "seed {seed}, {id}: it is over its rate");
            let pair = [FlightKind::Held(Hold::OverRate), FlightKind::Released(Hold::OverRate)];
            let (pairs, last) = between.as_chunks::<2>();
            assert!(pairs.iter().all(|held| *held == pair), "seed {seed}, {id}: {life:?}");
            assert!(last.is_empty() || last == [pair[0]], "seed {seed}, {id}: {life:?}");
        }
    }
}
