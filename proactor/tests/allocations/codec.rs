//! Once the sessions have warmed up, a packet within one receive buffer costs no allocation: one at
//! a time on one connection, or many at once on many connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};

use proactor::codec::{Codec, Fixed, Framing, LengthPrefixed, Lines, Raw};
use proactor::{Flow, Handler, NoMessage, Session};

use crate::counting::allocations;
use crate::{backends, builder, connect};

const LEN: usize = 64;

/// In each round, each connection sends `packets` packets at once and reads them back.
struct Load {
    connections: usize,
    packets: usize,
    rounds: usize,
}

const LOADS: [Load; 2] =
    [Load { connections: 1, packets: 1, rounds: 4000 }, Load { connections: 16, packets: 100, rounds: 100 }];

/// Parts of a load that are counted one by one. The first warms up. In any other the system may
/// split a burst, and the frame across the cut needs memory. That does not happen in all of them.
const PARTS: usize = 8;

/// Echoes, and reports the allocations of the shard's thread in each part. Parts are counted in
/// bytes, because raw bytes may come in any number of packets.
#[derive(Clone)]
struct Echo {
    counts: Sender<u64>,
    part: usize,
    bytes: usize,
    before: u64,
}

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let before = self.bytes / self.part;
        self.bytes += packet.len();
        let flow = session.send(packet).map_or(Flow::Close, |()| Flow::Continue);
        if self.bytes / self.part > before {
            let now = allocations();
            self.counts.send(now - self.before).unwrap();
            // Leaves out what the report itself allocated.
            self.before = allocations();
        }
        flow
    }
}

#[test]
fn a_packet_within_one_receive_buffer_costs_no_allocation() {
    let codecs: [Framing; 4] = [
        Raw.into_framing(),
        Lines::new().into_framing(),
        LengthPrefixed::u32().into_framing(),
        Fixed::new(LEN).into_framing(),
    ];
    for backend in backends() {
        for (codec, load) in codecs.iter().flat_map(|codec| LOADS.iter().map(move |load| (codec, load))) {
            let Load { connections, packets, rounds } = *load;
            let (counts, counted) = mpsc::channel::<u64>();
            let all = connections * packets * rounds * LEN;
            let echo = Echo { counts, part: all / PARTS, bytes: 0, before: 0 };
            let builder = builder(backend);
            let server = builder.codec(codec.clone()).start(echo).unwrap();
            let mut clients: Vec<TcpStream> = (0..connections).map(|_| connect(&server)).collect();
            let mut frames = Vec::new();
            for _ in 0..packets {
                codec.clone().encode(&[b'x'; LEN], &mut frames).unwrap();
            }
            let mut back = vec![0; frames.len()];
            for _ in 0..rounds {
                for client in &mut clients {
                    client.write_all(&frames).unwrap();
                }
                for client in &mut clients {
                    client.read_exact(&mut back).unwrap();
                    assert!(back == frames, "{codec:?} on {backend}");
                }
            }
            server.handle().stop();
            server.wait().unwrap();
            let counts: Vec<u64> = counted.iter().skip(1).collect();
            let least = counts.iter().min();
            let load = format!("{codec:?} on {backend}: {connections} connections, {packets} packets at once");
            assert_eq!(least, Some(&0), "{load}: {counts:?}");
        }
    }
}
