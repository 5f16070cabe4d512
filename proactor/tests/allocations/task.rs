//! Once a session has warmed up, a packet that its task reads in place costs no allocation. An
//! owned packet costs one.

use std::io::{Read, Write};
use std::sync::mpsc;

use proactor::AsyncSession;
use proactor::codec::{Codec, LengthPrefixed};

use crate::counting::allocations;
use crate::{PATIENCE, backends, builder, connect};

const WARM: usize = 1_000;
const PACKETS: usize = 4_000;

/// Echoes, and reports the allocations of the shard's thread after the first packets.
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
fn a_packet_costs_no_allocation_in_place_and_one_if_it_is_owned() {
    for backend in backends() {
        for owned in [false, true] {
            let codec = LengthPrefixed::u32();
            let (counts, counted) = mpsc::channel();
            let builder = builder(backend).codec(codec);
            let server = builder.serve(move |session| count(session, owned, counts.clone())).unwrap();
            let mut client = connect(&server);
            let mut frames = Vec::new();
            for _ in 0..8 {
                codec.into_framing().encode(&[b'x'; 64], &mut frames).unwrap();
            }
            let mut back = vec![0; frames.len()];
            for _ in 0..PACKETS / 8 {
                client.write_all(&frames).unwrap();
                client.read_exact(&mut back).unwrap();
            }
            let allocations = counted.recv_timeout(PATIENCE).unwrap();
            let expected = if owned { (PACKETS - WARM) as u64 } else { 0 };
            assert_eq!(allocations, expected, "on {backend}, in {} packets", PACKETS - WARM);
        }
    }
}
