//! Records on a simulated network: rates, and new keys wherever they are split.

use std::time::Duration;

use overlapped::sim::NetworkConfig;
use proactor::codec::Raw;
use proactor::tls::TlsVersion;
use proactor::{Limits, Listener, Network, Rate, Server, Simulation};
use rustls::version::{TLS12, TLS13};

use super::echo::Echo;
use super::peers::{Authority, NAME};
use super::sim_peer::SimPeer;

const SECOND: Duration = Duration::from_secs(1);
const AT: &str = "10.0.0.1:7443";

fn echo(authority: &Authority, limits: Limits) -> Simulation<Echo> {
    let server = Server::builder().listen(Listener::new(AT).tls(&authority.tls())).limits(limits);
    // Nothing is split but by the test.
    let config = NetworkConfig::new().short_sends(0).short_receives(0);
    server.simulate(&Network::with_config(1, config), Echo).unwrap()
}

fn peer(sim: &Simulation<Echo>, authority: &Authority, version: TlsVersion) -> SimPeer {
    let version = if version == TlsVersion::Tls12 { &TLS12 } else { &TLS13 };
    let mut peer = SimPeer::new(sim.client(AT, Raw), authority.peer().only(version).connection(NAME));
    peer.shake();
    peer
}

#[test]
fn the_byte_rate_counts_received_bytes_once_over_tls() {
    let authority = Authority::new();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        // A record of 1,000 bytes has 1,022 or 1,029 on the wire: after two, something is left.
        let rate = Rate::per_second(1_000).burst(2_100);
        let sim = echo(&authority, Limits::new().byte_rate(rate));
        let mut peer = peer(&sim, &authority, version);
        // The tickets come before the first echo. Rates do not count the handshake.
        sim.advance(SECOND);
        for round in 0..3 {
            let record = peer.seal(&[round; 1_000]);
            assert!((1_020..1_030).contains(&record.len()));
            // In pieces, so that what comes out at once is more than what has come at once.
            let split = if round < 2 { 500 } else { record.len() };
            peer.client.send_bytes(&record[..split]);
            sim.advance(SECOND / 100);
            peer.client.send_bytes(&record[split..]);
            // It has the time of the way only. Counted twice, the second would hold the third.
            sim.set_patience(SECOND / 10);
            peer.expect(&[round; 1_000]);
        }
        // The third has used up more than was left, which takes almost a second to come back.
        let record = peer.seal(&[3; 1_000]);
        peer.client.send_bytes(record);
        peer.expect_nothing(SECOND / 2);
        sim.set_patience(SECOND);
        peer.expect(&[3; 1_000]);
    }
}

#[test]
fn new_keys_are_taken_wherever_they_are_split() {
    let authority = Authority::new();
    let sim = echo(&authority, Limits::new());
    let mut peer = peer(&sim, &authority, TlsVersion::Tls13);
    let mut split = 1;
    loop {
        peer.connection.refresh_traffic_keys().unwrap();
        let wire = peer.seal(b"after");
        if split == wire.len() {
            break;
        }
        peer.client.send_bytes(&wire[..split]);
        sim.advance(SECOND / 10);
        peer.client.send_bytes(&wire[split..]);
        peer.expect(b"after");
        split += 1;
    }
    assert!(split > 40, "new keys and a record of 5 bytes have more than {split}");
    assert_eq!(sim.handle().stats().tls_failures().count(), 0);
}
