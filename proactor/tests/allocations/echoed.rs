//! Allocations of a session that echoes packets, counted once it has warmed up.

use std::io::{Read, Write};
use std::sync::mpsc::{self, Receiver, Sender};

use proactor::Server;
use proactor::codec::{Codec, LengthPrefixed};

use crate::counting::allocations;
use crate::{PATIENCE, connect};

const WARM: u64 = 1_000;
const PACKETS: u64 = 4_000;
/// Packets that are counted.
pub(crate) const COUNTED: u64 = PACKETS - WARM;

/// Reports the allocations of the shard's thread after the first packets.
#[derive(Clone)]
pub(crate) struct Count {
    counts: Sender<u64>,
    packets: u64,
    before: u64,
}

impl Count {
    pub(crate) fn new() -> (Count, Receiver<u64>) {
        let (counts, counted) = mpsc::channel();
        (Count { counts, packets: 0, before: 0 }, counted)
    }

    /// A packet has been echoed.
    pub(crate) fn packet(&mut self) {
        self.packets += 1;
        match self.packets {
            WARM => self.before = allocations(),
            PACKETS => self.counts.send(allocations() - self.before).unwrap(),
            _ => {}
        }
    }
}

/// Sends all packets to a server with this codec, and returns what its session has counted.
pub(crate) fn allocations_of<M>(server: &Server<M>, codec: LengthPrefixed, counted: &Receiver<u64>) -> u64 {
    let mut client = connect(server);
    let mut frames = Vec::new();
    for _ in 0..8 {
        codec.into_framing().encode(&[b'x'; 64], &mut frames).unwrap();
    }
    let mut back = vec![0; frames.len()];
    for _ in 0..PACKETS / 8 {
        client.write_all(&frames).unwrap();
        client.read_exact(&mut back).unwrap();
    }
    counted.recv_timeout(PATIENCE).unwrap()
}
