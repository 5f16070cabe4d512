//! A packet that its task reads in place costs no allocation once a session has warmed up, and one in memory of its own costs that memory.

mod counting;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig};
use proactor::codec::{Codec, LengthPrefixed};
use proactor::{AsyncSession, Server};

use counting::allocations;

const WARM: usize = 1_000;
const PACKETS: usize = 4_000;

/// Echoes, and gives the allocations that there were on the shard's thread after the first packets.
async fn count(session: AsyncSession, owned: bool, counts: mpsc::Sender<u64>) {
    let mut before = 0;
    for packet in 1..=PACKETS {
        let sent = match owned {
            true => session.next().await.map(|packet| session.try_send(packet)),
            false => session.next_with(|packet| session.try_send(packet)).await,
        };
        sent.unwrap().unwrap();
        match packet {
            WARM => before = allocations(),
            PACKETS => counts.send(allocations() - before).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn the_steady_state_allocates_nothing_or_what_it_gives_away() {
    let mut tried = 0;
    for backend in Backend::of_this_system() {
        if Driver::new(DriverConfig::new().backend(*backend)).is_err() {
            continue;
        }
        for owned in [false, true] {
            let codec = LengthPrefixed::u32();
            let (counts, counted) = mpsc::channel();
            let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend)).codec(codec);
            let server = builder.serve(move |session| count(session, owned, counts.clone())).unwrap();
            let mut client = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
            client.set_nodelay(true).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let mut frames = Vec::new();
            for _ in 0..8 {
                codec.into_framing().encode(&[b'x'; 64], &mut frames).unwrap();
            }
            let mut back = vec![0; frames.len()];
            for _ in 0..PACKETS / 8 {
                client.write_all(&frames).unwrap();
                client.read_exact(&mut back).unwrap();
            }
            let allocations = counted.recv_timeout(Duration::from_secs(30)).unwrap();
            let expected = if owned { (PACKETS - WARM) as u64 } else { 0 };
            assert_eq!(allocations, expected, "on {backend}, in {} packets", PACKETS - WARM);
            tried += 1;
        }
    }
    assert!(tried > 0);
}
