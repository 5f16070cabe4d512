//! Sessions that go between nodes while what is between those is lost, late, or cut off, and nodes
//! end. What comes is whole, in order and once until the client is told to start afresh.

use std::time::Duration;

use proactor::cluster::ClusterFaults;
use proactor::{Afresh, CloseReason, Resumed};

use super::logic::{Told, answer};
use super::peer::{Budget, How};
use super::wanderer::{Nodes, Wanderer};

/// Seeds of a run in CI. `PROACTOR_SWARM_SEEDS` has more.
const SEEDS: u64 = 20;
const PACKETS: u32 = 12;

/// How often a client went on, and was told to start afresh.
#[derive(Default)]
struct Seen {
    went_on: usize,
    moved: usize,
    afresh: Vec<Afresh>,
}

/// A client that is cut again and again, and begins its conversation anew when it is told to start
/// afresh. `faults` are those of the bus; `ends` says that nodes end and are cut off.
fn run(seed: u64, faults: ClusterFaults, ends: bool, seen: &mut Seen) {
    let mut nodes = Nodes::new(seed, 3, true);
    nodes.cluster.set_faults(faults);
    let mut state: u64 = seed.wrapping_mul(77) + 1;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut client = Wanderer::new(&nodes);
    let how = [How::Reset, How::Closed, How::Unseen];
    'session: loop {
        let (begun, began) = (nodes.logics[0].packets().len(), client.resumed.len());
        let mut sent = Vec::new();
        for number in 1..=PACKETS {
            let packet = vec![b'a' + number as u8; random(60)];
            client.send(&packet);
            sent.push(packet.clone());
            let came = loop {
                if let Some(packet) = client.packet() {
                    break packet;
                }
                if !client.is_connected() {
                    if ends && random(12) == 0 {
                        disturb(&mut nodes, random(4));
                    }
                    let there: Vec<usize> = (0..3).filter(|node| nodes.nodes[*node].is_some()).collect();
                    let left = Budget { up: random(200), down: random(150), how: how[random(3)] };
                    client.connect(there[random(there.len())], left);
                }
                client.step(&nodes);
                if client.resumed[began..]
                    .iter()
                    .skip(usize::from(began == 0))
                    .any(|resumed| *resumed != Resumed::WentOn)
                {
                    // Nothing of the old session came twice or out of order.
                    let logic = nodes.logics[0].packets();
                    assert!(sent.starts_with(&logic[begun..]), "{sent:?} {:?}", &logic[begun..]);
                    client.forget();
                    continue 'session;
                }
            };
            assert_eq!(came, answer(number, &packet), "seed {seed}");
        }
        assert_eq!(nodes.logics[0].packets()[begun..], sent);
        break;
    }
    for resumed in &client.resumed {
        match resumed {
            Resumed::Afresh(why) => seen.afresh.push(*why),
            _ => seen.went_on += 1,
        }
    }
    seen.moved += nodes.logics[0].told().iter().filter(|told| matches!(told, Told::Restored(_))).count();
    let closed = nodes.logics[0].closed();
    // One whose client was told to start afresh waits for it in vain.
    let allowed = |reason: &CloseReason| {
        matches!(reason, CloseReason::Moved | CloseReason::ServerStopping) || ends && *reason == CloseReason::Lost
    };
    assert!(closed.iter().all(allowed), "{closed:?}");
}

/// Ends one node, or cuts one off, or ends that.
fn disturb(nodes: &mut Nodes, what: usize) {
    match what {
        0 if nodes.nodes[2].is_some() => nodes.nodes[2] = None,
        0 | 1 => nodes.cluster.cut_off("n1"),
        _ => nodes.cluster.reconnect("n1"),
    }
}

fn seeds() -> u64 {
    std::env::var("PROACTOR_SWARM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

#[test]
fn a_bus_that_is_slow_and_loses_some_delays_a_session_and_breaks_none() {
    let mut seen = Seen::default();
    for seed in 0..seeds() {
        let delay = Duration::from_millis(1 + seed % 90);
        let faults = ClusterFaults::new().delay(Duration::ZERO, delay).lost(5 + seed as u32 % 20).doubled(10);
        run(seed, faults, false, &mut seen);
    }
    assert!(seen.moved as u64 > 3 * seeds(), "{} moved, {} went on", seen.moved, seen.went_on);
    let silent = seen.afresh.iter().filter(|why| **why == Afresh::NodeSilent).count();
    assert!(silent <= seen.moved / 50, "{:?}", seen.afresh);
}

#[test]
fn nodes_that_end_or_are_cut_off_cost_sessions_but_never_a_byte_twice() {
    let mut seen = Seen::default();
    for seed in 0..seeds() {
        let faults = ClusterFaults::new().delay(Duration::ZERO, Duration::from_millis(20)).lost(8);
        run(seed, faults, true, &mut seen);
    }
    assert!(seen.moved > 0 && !seen.afresh.is_empty());
}
