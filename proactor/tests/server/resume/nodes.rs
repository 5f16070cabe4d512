//! Sessions that go from one node of a cluster to another, because their clients do.

use std::time::Duration;

use proactor::cluster::ClusterFaults;
use proactor::{Afresh, CloseReason, Limits, Resume, Resumed};

use super::logic::{Told, answer};
use super::peer::{Budget, How};
use super::wanderer::{Nodes, Wanderer};

const SECOND: Duration = Duration::from_secs(1);

/// Packets of many lengths, some of them empty.
fn packets() -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = (0..5).map(|index| vec![b'a' + index; usize::from(index) * 7]).collect();
    packets.insert(3, b"push".to_vec());
    packets
}

/// A whole conversation over connections to these nodes, with these budgets.
fn converse(nodes: &Nodes, mut next: impl FnMut() -> (usize, Budget)) -> Wanderer {
    let mut client = Wanderer::new(nodes);
    for (index, packet) in packets().iter().enumerate() {
        client.send(packet);
        assert_eq!(client.next(nodes, &mut next), answer(index as u32 + 1, packet));
        if packet == b"push" {
            assert_eq!(client.next(nodes, &mut next), b"pushed");
        }
    }
    let logic = &nodes.logics[0];
    assert_eq!(logic.packets(), packets());
    assert!(logic.closed().iter().all(|reason| *reason == CloseReason::Moved), "{:?}", logic.closed());
    let afresh = client.resumed.iter().filter(|resumed| **resumed != Resumed::WentOn).count();
    assert_eq!(afresh, 1, "it began once: {:?}", client.resumed);
    client
}

/// One cut, then another node.
fn cut_once(budget: Budget) -> impl FnMut() -> (usize, Budget) {
    let mut connections = 0;
    move || {
        connections += 1;
        let budget = if connections == 1 { budget } else { Budget::NONE };
        ((connections - 1) % 2, budget)
    }
}

#[test]
fn a_client_that_is_cut_at_every_byte_and_goes_to_another_node_gets_everything_once_and_so_does_the_logic() {
    let nodes = Nodes::new(1, 2, true);
    let whole = converse(&nodes, || (0, Budget::NONE));
    assert_eq!(whole.connections, 1);
    let mut moved = 0;
    for (index, how) in [How::Reset, How::Closed, How::Unseen].into_iter().enumerate() {
        for cut in 0..whole.sent {
            let nodes = Nodes::new((cut * 3 + index) as u64, 2, true);
            converse(&nodes, cut_once(Budget { up: cut, how, ..Budget::NONE }));
            moved += nodes.logics[0].closed().len();
        }
        for cut in 0..whole.received {
            let nodes = Nodes::new((cut * 3 + index) as u64, 2, true);
            converse(&nodes, cut_once(Budget { down: cut, how, ..Budget::NONE }));
            moved += nodes.logics[0].closed().len();
        }
    }
    // Those that were cut before they had a token began on the other node.
    assert!(moved > 2 * (whole.sent + whole.received), "{moved}");
}

#[test]
fn a_client_that_is_cut_again_and_again_between_nodes_gets_everything_once() {
    let mut moves = 0;
    for seed in 0..40 {
        let nodes = Nodes::new(seed, 3, true);
        let mut state: u64 = seed + 1;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let how = [How::Reset, How::Closed, How::Unseen];
        converse(&nodes, || {
            let budget = Budget { up: random(120) as usize, down: random(110) as usize, how: how[random(3) as usize] };
            (random(3) as usize, budget)
        });
        moves += nodes.logics[0].closed().len();
    }
    assert!(moves > 200, "{moves}");
}

/// Two nodes, and a client that has had one answer of the first and has lost its connection.
fn away(saves: bool) -> (Nodes, Wanderer) {
    let nodes = Nodes::new(7, 2, saves);
    let mut client = Wanderer::new(&nodes);
    client.ask(&nodes, 0, b"key one", 1);
    nodes.advance(SECOND);
    client.cut(How::Reset);
    client.step(&nodes);
    nodes.advance(SECOND / 2);
    (nodes, client)
}

#[test]
fn the_logics_state_and_the_key_go_with_the_session() {
    let (nodes, mut client) = away(true);
    let handle = nodes.node(0).handle();
    handle.send_to(b"one", b"while away".to_vec()).unwrap();
    nodes.advance(SECOND / 10);
    assert_eq!(client.come_to(&nodes, 1), Resumed::WentOn);
    client.expect(&nodes, 1, b"while away");
    client.ask(&nodes, 1, b"there", 2);
    assert_eq!(nodes.logics[0].closed(), [CloseReason::Moved]);
    nodes.advance(SECOND * 5);
    let ids = nodes.node(1).handle().find_all(b"one");
    assert_eq!((handle.find_all(b"one").len(), ids.len()), (0, 1));
    assert!(nodes.logics[0].told().contains(&Told::Restored(ids[0])));
    // The cluster says the same, and the session there keeps it.
    let find = handle.find_anywhere(b"one");
    nodes.advance(SECOND);
    let places = find.now().unwrap().unwrap();
    assert_eq!(places.iter().map(|place| &*place.node).collect::<Vec<_>>(), ["n1"]);
    assert_eq!(nodes.logics[0].closed(), [CloseReason::Moved]);
    let stats = [0, 1].map(|node| nodes.node(node).handle().stats());
    assert_eq!((stats[0].closed(CloseReason::Moved), stats[0].cut, stats[1].resumed), (1, 0, 1));
    // And back.
    client.cut(How::Unseen);
    assert_eq!(client.come_to(&nodes, 0), Resumed::WentOn);
    client.ask(&nodes, 0, b"here again", 3);
    assert_eq!(nodes.sessions(), 1);
}

#[test]
fn a_session_whose_logic_does_not_save_it_stays_and_the_client_starts_afresh() {
    let (nodes, mut client) = away(false);
    client.send(b"lost");
    assert_eq!(client.come_to(&nodes, 1), Resumed::Afresh(Afresh::NotHandedOver));
    client.ask(&nodes, 1, b"new", 1);
    assert_eq!((nodes.logics[0].closed(), nodes.sessions()), (vec![], 2));
    assert_eq!(nodes.node(1).handle().stats().afresh(Afresh::NotHandedOver), 1);
    nodes.advance(SECOND * 61);
    assert_eq!((nodes.logics[0].closed(), nodes.sessions()), (vec![CloseReason::Lost], 1));
}

#[test]
fn a_node_that_does_not_answer_has_its_time_and_then_the_client_starts_afresh() {
    for is_paused in [true, false] {
        let (mut nodes, mut client) = away(true);
        match is_paused {
            true => nodes.paused.push(0),
            false => nodes.cluster.cut_off("n0"),
        }
        let before = nodes.network.now();
        assert_eq!(client.come_to(&nodes, 1), Resumed::Afresh(Afresh::NodeSilent));
        let took = nodes.network.now().since(before);
        assert!(took >= SECOND * 5 && took < SECOND * 6, "{took:?} of simulated time");
        client.ask(&nodes, 1, b"new", 1);
        // A later message to the old node changes nothing for the new session.
        nodes.paused.clear();
        nodes.cluster.reconnect("n0");
        nodes.advance(SECOND * 3);
        client.ask(&nodes, 1, b"still there", 2);
        assert_eq!(nodes.logics[0].packets(), [&b"key one"[..], b"new", b"still there"]);
    }
}

#[test]
fn a_node_that_has_ended_is_known_to_be_gone() {
    let (mut nodes, mut client) = away(true);
    nodes.nodes[0] = None;
    nodes.advance(SECOND);
    assert_eq!(client.come_to(&nodes, 1), Resumed::Afresh(Afresh::OtherServer));
}

#[test]
fn of_two_clients_with_one_token_at_two_nodes_one_has_the_session() {
    let mut winners = [0; 2];
    for seed in 0..60 {
        let nodes = Nodes::new(seed, 3, true);
        let mut first = Wanderer::new(&nodes);
        first.ask(&nodes, 0, b"hello", 1);
        // Both are the same client.
        let mut clients = [Wanderer::twin(&nodes, &first), Wanderer::twin(&nodes, &first)];
        first.cut(How::Unseen);
        clients[0].connect(1, Budget::NONE);
        clients[1].connect(2, Budget::NONE);
        for _ in 0..400 {
            for client in &mut clients {
                client.step(&nodes);
            }
        }
        let has = clients.each_ref().map(|client| client.is_connected() && client.resumed == [Resumed::WentOn]);
        assert!(has[0] != has[1], "{:?}", clients.each_ref().map(|client| client.resumed.clone()));
        winners[usize::from(has[1])] += 1;
        // The node that lost takes no part in the session.
        let (winner, node) = if has[0] { (0, 1) } else { (1, 2) };
        clients[winner].ask(&nodes, node, b"mine", 2);
        assert_eq!(nodes.logics[0].packets(), [&b"hello"[..], b"mine"]);
    }
    assert!(winners[0] > 0 && winners[1] > 0, "{winners:?}");
}

/// Nodes, and a client that has had one answer of the first and is away. So much waits for it that
/// it takes many parts, and each travels for 40 ms.
fn much_waits() -> (Nodes, Wanderer) {
    let resume = Resume::new().keep(200_000);
    let limits = Limits::new().outbox_bytes(1 << 20);
    let nodes = Nodes::with(3, 3, true, resume, |builder| builder.limits(limits.clone()));
    let mut client = Wanderer::new(&nodes);
    client.ask(&nodes, 0, b"key one", 1);
    client.cut(How::Reset);
    client.step(&nodes);
    nodes.advance(SECOND / 2);
    let handle = nodes.node(0).handle();
    let id = handle.find(b"one").unwrap();
    for number in 0..50_u8 {
        handle.send(id, vec![number; 10_000]).unwrap();
        nodes.logics[0].room.broadcast(&[number; 500]).unwrap();
    }
    nodes.advance(SECOND / 2);
    nodes.cluster.set_faults(ClusterFaults::new().delay(SECOND / 50, SECOND / 50));
    (nodes, client)
}

fn expect_all(nodes: &Nodes, client: &mut Wanderer, node: usize) {
    for number in 0..50_u8 {
        client.expect(nodes, node, &[number; 10_000]);
        client.expect(nodes, node, &[number; 500]);
    }
    client.ask(nodes, node, b"there", 2);
}

/// Goes to the second node, and is there while half of the session has come.
fn half_way(nodes: &Nodes, client: &mut Wanderer) {
    client.connect(1, Budget::NONE);
    while nodes.logics[0].closed().is_empty() {
        client.step(nodes);
    }
    for _ in 0..60 {
        client.step(nodes);
    }
    assert_eq!(client.resumed.len(), 1, "it is on its way");
}

#[test]
fn what_waits_for_a_client_comes_in_parts_and_whole() {
    let (nodes, mut client) = much_waits();
    half_way(&nodes, &mut client);
    expect_all(&nodes, &mut client, 1);
    assert_eq!(client.resumed[1..], [Resumed::WentOn]);
    assert_eq!(nodes.logics[0].closed(), [CloseReason::Moved]);
}

#[test]
fn if_the_new_node_ends_half_way_the_next_has_the_session_or_the_old_one_again() {
    for next in [2, 0] {
        let (mut nodes, mut client) = much_waits();
        half_way(&nodes, &mut client);
        nodes.nodes[1] = None;
        client.cut(How::Reset);
        assert_eq!(client.come_to(&nodes, next), Resumed::WentOn, "on node {next}");
        expect_all(&nodes, &mut client, next);
        assert_eq!(nodes.logics[0].packets(), [&b"key one"[..], b"there"]);
    }
}

#[test]
fn if_the_client_is_back_at_the_old_node_half_way_the_new_one_does_not_take_it_again() {
    let (nodes, mut client) = much_waits();
    half_way(&nodes, &mut client);
    client.cut(How::Reset);
    assert_eq!(client.come_to(&nodes, 0), Resumed::WentOn);
    let connections = client.connections;
    expect_all(&nodes, &mut client, 0);
    nodes.advance(SECOND * 6);
    client.ask(&nodes, 0, b"still here", 3);
    assert_eq!(client.connections, connections, "it was not disconnected");
    assert_eq!(nodes.logics[0].packets(), [&b"key one"[..], b"there", b"still here"]);
}

#[test]
fn a_client_that_has_tried_another_node_is_long_away_and_comes_back_has_its_session() {
    let (mut nodes, mut client) = much_waits();
    half_way(&nodes, &mut client);
    nodes.nodes[1] = None;
    client.cut(How::Reset);
    nodes.advance(SECOND * 30);
    assert_eq!(client.come_to(&nodes, 0), Resumed::WentOn, "within its window");
    expect_all(&nodes, &mut client, 0);
}

#[test]
fn a_node_that_drains_ends_when_what_goes_elsewhere_has_gone() {
    let (nodes, mut client) = much_waits();
    client.connect(1, Budget::NONE);
    while nodes.logics[0].closed().is_empty() {
        client.step(&nodes);
    }
    nodes.node(0).handle().drain(SECOND * 30);
    expect_all(&nodes, &mut client, 1);
    assert_eq!(client.resumed[1..], [Resumed::WentOn]);
    nodes.advance(SECOND * 5);
    assert!(nodes.node(0).has_ended(), "nothing more is awaited");
}

#[test]
fn if_the_old_node_stops_half_way_the_client_starts_afresh_once() {
    for ends in [true, false] {
        let (mut nodes, mut client) = much_waits();
        half_way(&nodes, &mut client);
        match ends {
            true => nodes.nodes[0] = None,
            false => nodes.paused.push(0),
        }
        while client.resumed.len() == 1 {
            client.step(&nodes);
        }
        assert_eq!(client.resumed[1], Resumed::Afresh(Afresh::NodeSilent));
        client.ask(&nodes, 1, b"new", 1);
        nodes.paused.clear();
        nodes.advance(SECOND * 12);
        client.ask(&nodes, 1, b"still there", 2);
        assert_eq!(nodes.logics[0].packets(), [&b"key one"[..], b"new", b"still there"]);
    }
}

#[test]
fn a_session_that_is_more_than_can_be_handed_over_stays() {
    let limits = Limits::new().outbox_bytes(8 << 20);
    let nodes = Nodes::with(3, 2, true, Resume::new(), |builder| builder.limits(limits.clone()));
    let mut client = Wanderer::new(&nodes);
    client.ask(&nodes, 0, b"key one", 1);
    client.cut(How::Reset);
    client.step(&nodes);
    nodes.advance(SECOND / 2);
    let handle = nodes.node(0).handle();
    for _ in 0..90 {
        handle.send_to(b"one", vec![1; 50_000]).unwrap();
        nodes.advance(SECOND / 100);
    }
    assert_eq!(client.come_to(&nodes, 1), Resumed::Afresh(Afresh::NotHandedOver));
    assert_eq!(nodes.logics[0].closed(), []);
}

#[test]
fn what_has_come_and_was_not_handed_over_goes_with_the_session() {
    let nodes = Nodes::new(5, 2, true);
    let mut client = Wanderer::new(&nodes);
    client.ask(&nodes, 0, b"pause", 1);
    for packet in [&b"one"[..], b"two"] {
        client.send(packet);
    }
    for _ in 0..100 {
        client.step(&nodes);
    }
    assert_eq!(nodes.logics[0].packets(), [b"pause"]);
    client.cut(How::Reset);
    assert_eq!(client.come_to(&nodes, 1), Resumed::WentOn);
    client.expect(&nodes, 1, b"2:one");
    client.expect(&nodes, 1, b"3:two");
    assert_eq!(nodes.logics[0].packets(), [&b"pause"[..], b"one", b"two"]);
}

#[test]
fn a_session_that_has_gone_takes_and_sends_nothing_more() {
    let nodes = Nodes::new(6, 2, true);
    let mut client = Wanderer::new(&nodes);
    client.ask(&nodes, 0, b"key one", 1);
    let id = nodes.node(0).handle().find(b"one").unwrap();
    let mut older = Wanderer::twin(&nodes, &client);
    older.take_connection(&mut client);
    assert_eq!(client.come_to(&nodes, 1), Resumed::WentOn);
    // Over the old connection, which its client still has.
    older.send(b"too late");
    for _ in 0..100 {
        older.step(&nodes);
    }
    assert!(older.is_lost, "it is reset");
    let _ = nodes.node(0).handle().send(id, b"to nobody".to_vec());
    client.ask(&nodes, 1, b"there", 2);
    assert_eq!(nodes.logics[0].packets(), [&b"key one"[..], b"there"]);
}

#[test]
fn a_token_of_another_cluster_is_of_another_server() {
    let (nodes, other) = (Nodes::new(8, 1, true), Nodes::new(9, 2, true));
    let mut client = Wanderer::new(&nodes);
    client.ask(&nodes, 0, b"x", 1);
    let mut elsewhere = Wanderer::new(&other);
    elsewhere.client = client.client;
    assert_eq!(elsewhere.come_to(&other, 0), Resumed::Afresh(Afresh::OtherServer));
}
