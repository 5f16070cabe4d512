//! A client that is cut at every byte of a conversation, and comes back, ends with exactly the
//! right packets; and so does the server.

use proactor::codec::LengthPrefixed;
use proactor::{Listener, Network, Resume, Resumed, Server, Simulation};

use super::logic::{Counting, answer};
use super::peer::{AT, Budget, How, Peer};

fn server(seed: u64, shards: usize, logic: &Counting) -> Simulation<Counting> {
    let listener = Listener::new(AT).codec(LengthPrefixed::u16()).resume(Resume::new().keep(1024));
    Server::builder().listen(listener).shards(shards).simulate(&Network::new(seed), logic.clone()).unwrap()
}

/// Packets of many lengths, some of them empty.
fn packets() -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = (0..6).map(|index| vec![b'a' + index; usize::from(index) * 7]).collect();
    packets.insert(3, b"push".to_vec());
    packets
}

/// A whole conversation over connections with these budgets.
fn converse(seed: u64, shards: usize, budget: impl FnMut() -> Budget) -> (Peer, Counting) {
    let (logic, mut peer) = (Counting::default(), Peer::new());
    converse_with(&server(seed, shards, &logic), &mut peer, &logic, budget);
    (peer, logic)
}

pub(crate) fn converse_with(
    sim: &Simulation<Counting>,
    peer: &mut Peer,
    logic: &Counting,
    mut budget: impl FnMut() -> Budget,
) {
    for (index, packet) in packets().iter().enumerate() {
        peer.send(packet);
        let came = peer.next(sim, &mut budget);
        assert_eq!(came, answer(index as u32 + 1, packet));
        if packet == b"push" {
            assert_eq!(peer.next(sim, &mut budget), b"pushed");
        }
    }
    assert_eq!(logic.packets(), packets());
    assert_eq!(logic.closed(), []);
    let resumed = peer.resumed.iter().filter(|resumed| **resumed == Resumed::WentOn).count();
    assert_eq!(peer.resumed.len() - resumed, 1, "it was never told to start afresh");
    assert!(sim.handle().stats().resumed >= resumed as u64);
}

/// Cuts the first connection there, and no other.
fn once(budget: Budget) -> impl FnMut() -> Budget {
    let mut budgets = [budget].into_iter();
    move || budgets.next().unwrap_or(Budget::NONE)
}

#[test]
fn a_client_that_is_cut_at_every_byte_gets_everything_once_and_so_does_the_server() {
    let (whole, _) = converse(1, 1, || Budget::NONE);
    assert_eq!(whole.connections, 1);
    for how in [How::Reset, How::Closed, How::Unseen] {
        for cut in 0..whole.sent {
            let (peer, _) = converse(cut as u64, 1 + cut % 3, once(Budget { up: cut, how, ..Budget::NONE }));
            assert_eq!(peer.connections, 2, "cut at {cut} of what it sends");
        }
        for cut in 0..whole.received {
            let (peer, _) = converse(cut as u64, 1 + cut % 3, once(Budget { down: cut, how, ..Budget::NONE }));
            assert_eq!(peer.connections, 2, "cut at {cut} of what it receives");
        }
    }
}

#[test]
fn a_client_that_is_cut_again_and_again_gets_everything_once() {
    let mut connections = 0;
    for seed in 0..60 {
        let mut state: u64 = seed + 1;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let how = [How::Reset, How::Closed, How::Unseen];
        let (peer, _) = converse(seed, 1 + seed as usize % 3, || Budget {
            up: random(90) as usize,
            down: random(70) as usize,
            how: how[random(3) as usize],
        });
        connections += peer.connections;
    }
    assert!(connections > 1_000, "{connections}");
}
