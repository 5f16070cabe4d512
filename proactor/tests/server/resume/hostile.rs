//! Connections that ask for a session of another client, or for none that there is.

use std::time::Duration;

use proactor::codec::{LengthPrefixed, Raw};
use proactor::{Afresh, CloseReason, Listener, Network, Resume, Server, Simulation};

use super::logic::Counting;
use super::peer::{AT, Budget, How, Peer, take};

const SECOND: Duration = Duration::from_secs(1);

fn start(shards: usize, logic: &Counting) -> Simulation<Counting> {
    let listener = Listener::new(AT).codec(LengthPrefixed::u16()).resume(Resume::new().hello_time(SECOND * 3));
    Server::builder().listen(listener).shards(shards).simulate(&Network::new(3), logic.clone()).unwrap()
}

#[test]
fn nonsense_is_closed_and_the_logic_never_hears_of_it() {
    let logic = Counting::default();
    let sim = start(2, &logic);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PRS2\0", b"PRS1\x07", b"PRS1\0\x10\0\0\0\x01x", &[0xff; 3000]] {
        let client = sim.client(AT, Raw);
        client.send_bytes(bytes);
        client.expect_closed();
        sim.advance(SECOND);
        assert_eq!(sim.handle().stats().sessions, 0, "{bytes:?}");
    }
    assert_eq!(sim.handle().stats().closed(CloseReason::Protocol), 5);
    // One that says nothing has its time.
    let client = sim.client(AT, Raw);
    client.send_bytes(b"PRS");
    sim.advance(SECOND * 2);
    assert_eq!(sim.handle().stats().sessions, 1);
    client.expect_closed();
    sim.advance(SECOND * 2);
    assert_eq!(sim.handle().stats().sessions, 0);
    assert_eq!(logic.told(), []);
}

#[test]
fn a_peer_that_breaks_the_protocol_later_is_not_waited_for() {
    for records in [&[0x13_u8][..], &[0x11, 0, 0, 0, 0, 0, 0, 1, 0], b"\x12\x12"] {
        let logic = Counting::default();
        let sim = start(1, &logic);
        let client = sim.client(AT, Raw);
        client.send_bytes(b"PRS1\0");
        take(&client, 45);
        client.send_bytes(records);
        sim.advance(SECOND);
        client.close();
        sim.advance(SECOND);
        assert_eq!(logic.sessions().len(), 1);
        assert_eq!(logic.closed(), [CloseReason::Protocol], "{records:?}");
        assert_eq!(sim.handle().stats().sessions, 0);
    }
}

#[test]
fn a_token_with_any_other_bit_gets_a_new_session_and_the_owner_loses_nothing() {
    for shards in [1, 3] {
        let logic = Counting::default();
        let sim = start(shards, &logic);
        let first = sim.client(AT, Raw);
        first.send_bytes(b"PRS1\0");
        let answer = take(&first, 45);
        let token: [u8; 32] = answer[5..37].try_into().unwrap();
        for byte in 0..32 {
            let mut wrong = token;
            wrong[byte] ^= 0x41;
            let thief = sim.client(AT, Raw);
            thief.send_bytes([&b"PRS1\x01"[..], &wrong, &[0; 8]].concat());
            let answer = take(&thief, 46);
            let reason = if byte < 6 { 2 } else { 1 };
            assert_eq!(answer[..6], [&b"PRS1\x02"[..], &[reason]].concat(), "byte {byte}");
            assert_ne!(answer[6..38], token);
            thief.reset();
        }
        let stats = sim.handle().stats();
        assert_eq!((stats.afresh(Afresh::OtherServer), stats.afresh(Afresh::Unknown)), (6, 26));
        assert_eq!(stats.resumed, 0);
        // More than the server has sent.
        let ahead = sim.client(AT, Raw);
        ahead.send_bytes([&b"PRS1\x01"[..], &token, &9_u64.to_be_bytes()].concat());
        assert_eq!(take(&ahead, 46)[..6], *b"PRS1\x02\x03");
        first.send_bytes(b"\x10\0\0\0\x05\0\x03abc");
        assert_eq!(take(&first, 21)[..], *b"\x11\0\0\0\0\0\0\0\x05\x10\0\0\0\x07\0\x051:abc");
    }
}

#[test]
fn a_thousand_connections_for_one_session_leave_one() {
    let logic = Counting::default();
    let (sim, mut peer) = (start(3, &logic), Peer::new());
    peer.connect(&sim, Budget::NONE);
    peer.ask(&sim, b"first", 1);
    for number in 1..=1000 {
        if number % 3 == 0 {
            // Otherwise an older connection may come later.
            sim.advance(SECOND / 10);
        }
        peer.connect(&sim, Budget::NONE);
        if number % 3 == 0 {
            peer.ask(&sim, b"x", number / 3 + 1);
        } else {
            let _ = peer.write(&sim);
        }
        peer.leave(if number % 2 == 0 { How::Unseen } else { How::Reset });
    }
    sim.advance(SECOND);
    peer.ask(&sim, b"last", 335);
    assert_eq!((logic.packets().len(), logic.sessions().len()), (335, 1));
    sim.advance(SECOND * 70);
    assert_eq!((sim.handle().stats().sessions, logic.closed()), (1, vec![]));
    assert_eq!(sim.live().sockets, 1 + 1, "that of the listener, and that of the one connection");
}
