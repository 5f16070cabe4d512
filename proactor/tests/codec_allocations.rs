//! Packets whose frames lie within one receive buffer cost no allocation, once the sessions have warmed up: one at a time on one connection, or many at once on many.

mod counting;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig};
use proactor::codec::{Codec, Fixed, Framing, LengthPrefixed, Lines, Raw};
use proactor::{Flow, Handler, Server, Session};

use counting::allocations;

const LEN: usize = 64;

/// What the clients do: each writes so many packets at once, reads them back, and does that so many times.
struct Load {
    connections: usize,
    packets: usize,
    rounds: usize,
}

const LOADS: [Load; 2] =
    [Load { connections: 1, packets: 1, rounds: 4000 }, Load { connections: 16, packets: 100, rounds: 100 }];

/// Parts of a load that are looked at one by one. In the first of them everything warms up. In any other the system may cut a burst in two, and then the frame across the
/// cut is put together in memory of its own; it does not do so in all of them.
const PARTS: usize = 8;

/// Echoes; tells how many allocations there were on the shard's thread in each part of all bytes. (Of raw bytes nobody knows how many packets they will be.)
#[derive(Clone)]
struct Echo {
    counts: Sender<u64>,
    part: usize,
    bytes: usize,
    before: u64,
}

impl Handler for Echo {
    type State = ();
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let before = self.bytes / self.part;
        self.bytes += packet.len();
        let flow = session.send(packet).map_or(Flow::Close, |()| Flow::Continue);
        if self.bytes / self.part > before {
            let now = allocations();
            self.counts.send(now - self.before).unwrap();
            // Not what telling it took.
            self.before = allocations();
        }
        flow
    }
}

#[test]
fn the_steady_state_allocates_nothing() {
    let codecs: [Framing; 4] = [
        Raw.into_framing(),
        Lines::new().into_framing(),
        LengthPrefixed::u32().into_framing(),
        Fixed::new(LEN).into_framing(),
    ];
    let mut tried = 0;
    for backend in Backend::of_this_system() {
        if Driver::new(DriverConfig::new().backend(*backend)).is_err() {
            continue;
        }
        for (codec, load) in codecs.iter().flat_map(|codec| LOADS.iter().map(move |load| (codec, load))) {
            let Load { connections, packets, rounds } = *load;
            let (counts, counted) = mpsc::channel::<u64>();
            let all = connections * packets * rounds * LEN;
            let echo = Echo { counts, part: all / PARTS, bytes: 0, before: 0 };
            let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend));
            let server = builder.codec(codec.clone()).start(echo).unwrap();
            let connect = |_| {
                let stream = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                stream
            };
            let mut clients: Vec<TcpStream> = (0..connections).map(connect).collect();
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
            tried += 1;
        }
    }
    assert!(tried >= codecs.len());
}
