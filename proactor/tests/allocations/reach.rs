//! A rule such as "a minute of silence" sets a timer with every packet: that costs no allocation,
//! and neither do the ways out of the logic where nothing uses them.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use proactor::codec::{Codec, LengthPrefixed};
use proactor::{Flow, Handler, Session};

use crate::counting::allocations;
use crate::{PATIENCE, backends, builder, connect};

const WARM: u64 = 1_000;
const PACKETS: u64 = 4_000;

/// Echoes, and reports the allocations of the shard's thread after the first packets.
#[derive(Clone)]
struct Echo {
    with_timers: bool,
    counts: mpsc::Sender<u64>,
    before: u64,
}

impl Handler for Echo {
    type State = u64;
    type Message = String;

    fn connected(&mut self, _: &Session) -> u64 {
        0
    }

    fn received(&mut self, session: &Session, packets: &mut u64, packet: &[u8]) -> Flow {
        *packets += 1;
        if self.with_timers {
            session.after(Duration::from_secs(60), 1).unwrap();
            session.after(Duration::from_secs(30), 2).unwrap();
            assert!(session.cancel_timer(2));
        }
        session.send(packet).unwrap();
        match *packets {
            WARM => self.before = allocations(),
            PACKETS => self.counts.send(allocations() - self.before).unwrap(),
            _ => {}
        }
        Flow::Continue
    }
}

#[test]
fn a_packet_costs_no_allocation_with_timers_nor_without_them() {
    for backend in backends() {
        for with_timers in [false, true] {
            let codec = LengthPrefixed::u32();
            let (counts, counted) = mpsc::channel();
            let server = builder(backend).codec(codec).start(Echo { with_timers, counts, before: 0 }).unwrap();
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
            assert_eq!(allocations, 0, "on {backend}, with timers: {with_timers}");
        }
    }
}
