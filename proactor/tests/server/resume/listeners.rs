//! A session is that of its listener, whose codec and TLS it was made with.

use proactor::codec::{LengthPrefixed, Raw};
use proactor::{Afresh, Listener, Network, Resume, Server};

use super::logic::Counting;
use super::peer::{AT, take};

const OTHER: &str = "10.0.0.1:7778";

#[test]
fn a_token_is_good_at_the_listener_that_gave_it_only() {
    for shards in [1, 3] {
        let logic = Counting::default();
        let first = Listener::new(AT).codec(LengthPrefixed::u16()).resume(Resume::new());
        let second = Listener::new(OTHER).codec(LengthPrefixed::u32()).resume(Resume::new());
        let server = Server::builder().listen(first).listen(second).shards(shards);
        let sim = server.simulate(&Network::new(5), logic.clone()).unwrap();
        let owner = sim.client(AT, Raw);
        owner.send_bytes(b"PRS1\0");
        let token = take(&owner, 45)[5..37].to_vec();
        for number in 1..=5 {
            let thief = sim.client(OTHER, Raw);
            thief.send_bytes([&b"PRS1\x01"[..], &token, &[0; 8]].concat());
            assert_eq!(take(&thief, 46)[..6], *b"PRS1\x02\x01");
            assert_eq!(sim.handle().stats().afresh(Afresh::Unknown), number);
            thief.reset();
        }
        owner.send_bytes(b"\x10\0\0\0\x05\0\x03abc");
        assert_eq!(take(&owner, 21)[14..], *b"\0\x051:abc");
        assert_eq!(sim.handle().stats().resumed, 0);
    }
}
