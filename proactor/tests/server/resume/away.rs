//! What becomes of a session while its peer is away: limits in bytes, time and number, broadcasts,
//! keys, drain.

use std::time::Duration;

use proactor::codec::LengthPrefixed;
use proactor::{
    Afresh, Builder, CloseReason, Limits, Listener, Network, Resume, Resumed, Server, Simulation, SlowConsumer,
    Timeouts,
};

use super::logic::Counting;
use super::peer::{AT, Budget, How, Peer};

const SECOND: Duration = Duration::from_secs(1);

fn builder(resume: Resume) -> Builder {
    Server::builder().listen(Listener::new(AT).codec(LengthPrefixed::u16()).resume(resume))
}

fn start(builder: Builder, logic: &Counting) -> Simulation<Counting> {
    builder.simulate(&Network::new(7), logic.clone()).unwrap()
}

/// A server, and a peer that has had one answer and has lost its connection.
fn away(builder: Builder) -> (Simulation<Counting>, Counting, Peer) {
    let logic = Counting::default();
    let (sim, mut peer) = (start(builder, &logic), Peer::new());
    peer.connect(&sim, Budget::NONE);
    peer.ask(&sim, b"key one", 1);
    peer.cut(&sim, How::Reset);
    (sim, logic, peer)
}

#[test]
fn a_session_that_is_away_keeps_its_state_groups_and_key_and_what_is_broadcast() {
    for shards in [1, 2] {
        let (sim, logic, mut peer) = away(builder(Resume::new()).shards(shards));
        let id = logic.sessions()[0];
        assert_eq!(sim.handle().find_all(b"one"), [id]);
        for number in 0..50 {
            logic.room.broadcast(format!("news {number}").as_bytes()).unwrap();
            sim.advance(SECOND / 100);
        }
        sim.handle().send(id, b"private".to_vec()).unwrap();
        logic.room.broadcast(b"last").unwrap();
        sim.advance(SECOND * 30);
        assert_eq!(logic.closed(), []);
        peer.send(b"back");
        for number in 0..50 {
            peer.expect(&sim, format!("news {number}").as_bytes());
        }
        peer.expect(&sim, b"private");
        peer.expect(&sim, b"last");
        peer.expect(&sim, b"2:back");
        assert_eq!(logic.sessions(), [id], "it is one session");
        assert_eq!(sim.handle().find_all(b"one"), [id]);
        let stats = sim.handle().stats();
        assert_eq!((stats.sessions, stats.resumed, stats.accepted), (1, 1, 2));
        assert_eq!(stats.closed_in_all(), 0);
    }
}

#[test]
fn a_session_whose_peer_does_not_come_in_time_is_lost_and_the_peer_starts_afresh() {
    let (sim, logic, mut peer) = away(builder(Resume::new().window(SECOND * 20)));
    sim.advance(SECOND * 19);
    assert_eq!(logic.closed(), []);
    sim.advance(SECOND * 2);
    assert_eq!(logic.closed(), [CloseReason::Lost]);
    assert_eq!(sim.handle().find_all(b"one"), [], "its key is free");
    peer.send(b"lost");
    assert_eq!(peer.come_back(&sim), Resumed::Afresh(Afresh::Unknown));
    peer.ask(&sim, b"new", 1);
    assert_eq!(logic.packets(), [&b"key one"[..], b"new"]);
    let stats = sim.handle().stats();
    assert_eq!((stats.afresh(Afresh::Unknown), stats.closed(CloseReason::Lost)), (1, 1));
    assert_eq!(stats.sessions, 1);
}

#[test]
fn a_peer_may_be_away_for_longer_than_the_other_timeouts() {
    let timeouts = Timeouts::new().idle(SECOND * 5).write(SECOND * 5).read(SECOND * 5).heartbeat(SECOND);
    let (sim, logic, mut peer) = away(builder(Resume::new()).timeouts(timeouts));
    logic.room.broadcast(b"while away").unwrap();
    sim.advance(SECOND * 50);
    assert_eq!(logic.closed(), []);
    peer.expect(&sim, b"while away");
    peer.ask(&sim, b"back", 2);
    // And they count again.
    sim.advance(SECOND * 6);
    assert_eq!(logic.closed(), [CloseReason::Idle]);
}

#[test]
fn what_waits_for_a_peer_is_limited_and_over_the_limit_its_policy_applies() {
    let limits = Limits::new().outbox_bytes(65_536);
    let (sim, logic, mut peer) = away(builder(Resume::new()).limits(limits.clone()).slow_consumer(SlowConsumer::Close));
    for _ in 0..12 {
        logic.room.broadcast(&[7; 6000]).unwrap();
        sim.advance(SECOND / 10);
    }
    assert_eq!(logic.closed(), [CloseReason::TooSlow]);
    assert_eq!(peer.come_back(&sim), Resumed::Afresh(Afresh::Unknown));

    let (sim, logic, mut peer) = away(builder(Resume::new()).limits(limits).slow_consumer(SlowConsumer::DropOldest));
    for number in 0..30_u8 {
        logic.room.broadcast(&[number; 6000]).unwrap();
        sim.advance(SECOND / 10);
    }
    assert_eq!(logic.closed(), []);
    let first = peer.next(&sim, &mut || Budget::NONE)[0];
    assert!(first > 15, "the oldest are dropped, {first}");
    for number in first + 1..30 {
        peer.expect(&sim, &[number; 6000]);
    }
    peer.ask(&sim, b"back", 2);
    assert_eq!(sim.handle().stats().dropped, u64::from(first));
}

#[test]
fn no_more_is_sent_to_a_peer_that_confirms_nothing() {
    for confirms in [true, false] {
        let limits = Limits::new().outbox_bytes(65_536);
        let builder = builder(Resume::new().keep(1024)).limits(limits).slow_consumer(SlowConsumer::Close);
        let (logic, mut peer) = (Counting::default(), Peer::new());
        let sim = start(builder, &logic);
        peer.connect(&sim, Budget::NONE);
        peer.ask(&sim, b"x", 1);
        for number in 0..80_u8 {
            logic.room.broadcast(&[number; 1000]).unwrap();
            // Its connection takes everything, whether it reads or not.
            sim.advance(SECOND / 10);
            if confirms {
                peer.expect(&sim, &[number; 1000]);
                assert!(peer.write(&sim));
            }
        }
        assert_eq!(logic.closed().is_empty(), confirms);
    }
}

#[test]
fn only_so_many_sessions_are_away_at_a_time() {
    let (sim, logic, mut first) = away(builder(Resume::new().most_away(1)));
    let mut second = Peer::new();
    second.connect(&sim, Budget::NONE);
    second.ask(&sim, b"x", 1);
    second.cut(&sim, How::Reset);
    assert_eq!(logic.closed(), [CloseReason::Reset], "it ends as without resume");
    first.ask(&sim, b"back", 2);
    let mut third = Peer::new();
    third.connect(&sim, Budget::NONE);
    third.ask(&sim, b"y", 1);
    third.cut(&sim, How::Closed);
    third.ask(&sim, b"z", 2);
    assert_eq!(sim.handle().stats().resumed, 2);
}

#[test]
fn a_client_that_is_here_takes_its_session_over_however_many_are_away() {
    for shards in [1, 2] {
        let (sim, logic, mut first) = away(builder(Resume::new().most_away(1)).shards(shards));
        let mut second = Peer::new();
        second.connect(&sim, Budget::NONE);
        for number in 1..5 {
            second.ask(&sim, b"x", number);
            second.cut(&sim, How::Unseen);
        }
        first.ask(&sim, b"back", 2);
        assert_eq!((logic.sessions().len(), logic.closed()), (2, vec![]));
        assert_eq!(sim.handle().stats().resumed, 4);
    }
}

#[test]
fn the_newer_of_two_connections_wins() {
    for shards in [1, 2] {
        let logic = Counting::default();
        let (sim, mut peer) = (start(builder(Resume::new()).shards(shards), &logic), Peer::new());
        peer.connect(&sim, Budget::NONE);
        for number in 1..20 {
            peer.ask(&sim, b"x", number);
            // Nobody has told the server.
            peer.cut(&sim, How::Unseen);
        }
        sim.advance(SECOND);
        peer.expect_resets();
        assert_eq!((logic.sessions().len(), logic.closed()), (1, vec![]));
        assert_eq!(sim.handle().stats().sessions, 1);
    }
}

#[test]
fn a_drain_and_a_stop_end_those_that_are_away() {
    let (sim, logic, mut peer) = away(builder(Resume::new()));
    let mut other = Peer::new();
    other.connect(&sim, Budget::NONE);
    other.ask(&sim, b"x", 1);
    sim.handle().drain(SECOND * 10);
    sim.advance(SECOND);
    assert_eq!(logic.closed(), [CloseReason::Drained; 2]);
    // The end is that of the session, in order.
    while !other.client.has_ended() {
        assert!(other.read(&sim));
    }
    other.cut(&sim, How::Closed);
    sim.advance(SECOND * 2);
    assert!(sim.has_ended());
    assert_eq!(sim.handle().stats().sessions, 0);
    drop((peer.client.take_wire(), sim));

    let (sim, logic, _) = away(builder(Resume::new()));
    sim.handle().stop();
    sim.advance(SECOND);
    assert_eq!(logic.closed(), [CloseReason::ServerStopping]);
    assert!(sim.has_ended());
}

#[test]
fn the_logic_closes_a_session_that_is_away() {
    let (sim, logic, mut peer) = away(builder(Resume::new()));
    let id = logic.sessions()[0];
    assert!(sim.handle().find_all(b"one") == [id] && logic.closed().is_empty());
    sim.handle().close(id).unwrap();
    sim.advance(SECOND);
    assert_eq!(logic.closed(), [CloseReason::ByHandler]);
    assert_eq!(sim.handle().stats().sessions, 0);
    assert_eq!(peer.come_back(&sim), Resumed::Afresh(Afresh::Unknown));
}
