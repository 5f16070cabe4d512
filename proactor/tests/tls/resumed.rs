//! Sessions over TLS that go on over other connections, each with a handshake of its own.

use std::io::Read;

use proactor::codec::{LengthPrefixed, Raw};
use proactor::{AsyncSession, Listener, Network, Resume, ResumeClient, SendError, Server, Tasks};

use super::peers::{Authority, NAME};
use super::sim_peer::SimPeer;

const AT: &str = "10.0.0.1:7443";
const TIMES: u8 = 12;

async fn number(session: AsyncSession) -> Result<(), SendError> {
    let mut number = 0;
    while let Some(packet) = session.next().await {
        number += 1;
        session.send(&[&[number], &packet[..]].concat()).await?;
    }
    Ok(())
}

#[test]
fn a_session_goes_on_over_another_connection_to_any_shard() {
    let authority = Authority::new();
    let tls = authority.tls();
    for seed in 0..6 {
        let listener = Listener::new(AT).tls(&tls).codec(LengthPrefixed::u16()).resume(Resume::new());
        let server = Server::builder().listen(listener).shards(1 + seed as usize % 3);
        let sim = server.simulate(&Network::new(seed), Tasks::new(number)).unwrap();
        let mut client = ResumeClient::new();
        let mut old = Vec::new();
        for time in 1..=TIMES {
            let mut peer = SimPeer::new(sim.client(AT, Raw), authority.peer().connection(NAME));
            peer.shake();
            client.connected();
            client.send(&[0, 2, b'x', time]);
            let mut came = Vec::new();
            while came.len() < 5 {
                let wire = peer.seal(&client.take_wire());
                if !wire.is_empty() {
                    peer.client.send_bytes(wire);
                }
                let mut bytes = [0; 100];
                match peer.connection.reader().read(&mut bytes) {
                    Ok(count @ 1..) => drop(client.received(&bytes[..count]).unwrap()),
                    _ => peer.hear(),
                }
                came.extend(client.take_received());
            }
            assert_eq!(came, [0, 3, time, b'x', time], "seed {seed}");
            if time % 2 == 0 {
                peer.client.reset();
            } else {
                // The next comes before the server has seen an end.
                old.push(peer);
            }
        }
        let stats = sim.handle().stats();
        assert_eq!((stats.resumed, stats.accepted), (u64::from(TIMES) - 1, u64::from(TIMES)));
        assert_eq!((stats.closed_in_all(), stats.sessions, stats.tls_failures().count()), (0, 1, 0));
    }
}

#[test]
fn what_comes_with_a_record_that_is_not_tls_comes_once() {
    let authority = Authority::new();
    let listener = Listener::new(AT).tls(&authority.tls()).codec(LengthPrefixed::u16()).resume(Resume::new());
    let sim = Server::builder().listen(listener).simulate(&Network::new(3), Tasks::new(number)).unwrap();
    let mut client = ResumeClient::new();
    for is_first in [true, false] {
        let mut peer = SimPeer::new(sim.client(AT, Raw), authority.peer().connection(NAME));
        peer.shake();
        client.connected();
        let hello = peer.seal(&client.take_wire());
        peer.client.send_bytes(hello);
        let mut came = Vec::new();
        let mut is_answered = false;
        while !is_answered || !is_first && came.len() < 6 {
            let mut bytes = [0; 100];
            match peer.connection.reader().read(&mut bytes) {
                Ok(count @ 1..) => is_answered |= client.received(&bytes[..count]).unwrap().is_some(),
                _ => peer.hear(),
            }
            came.extend(client.take_received());
            let wire = peer.seal(&client.take_wire());
            if !wire.is_empty() {
                peer.client.send_bytes(wire);
            }
        }
        if is_first {
            client.send(b"\0\x03abc");
            let mut wire = peer.seal(&client.take_wire());
            wire.extend(b"\x17\x03\x03\0\x20 it is not sealed with this key ...");
            peer.client.send_bytes(wire);
            sim.advance(std::time::Duration::from_secs(1));
        } else {
            assert_eq!(came, b"\0\x04\x01abc");
        }
    }
    let stats = sim.handle().stats();
    assert_eq!((stats.resumed, stats.closed_in_all(), stats.sessions), (1, 0, 1));
}
