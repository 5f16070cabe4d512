//! Packets whose frames lie within one receive buffer cost no allocation, once a session has warmed up.

mod counting;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use overlapped::{Backend, Driver, DriverConfig};
use proactor::codec::{Codec, Fixed, Framing, LengthPrefixed, Lines, Raw};
use proactor::{Flow, Handler, Server, Session};

use counting::allocations;

const WARM: usize = 1_000;
const PACKETS: usize = 4_000;

/// Echoes; tells how many allocations there were on the shard's thread between two packets.
#[derive(Clone)]
struct Echo(Sender<u64>);

impl Handler for Echo {
    type State = (usize, u64);
    fn connected(&mut self, _: &Session) -> (usize, u64) {
        (0, 0)
    }
    fn received(&mut self, session: &Session, (packets, before): &mut (usize, u64), packet: &[u8]) -> Flow {
        *packets += 1;
        match *packets {
            WARM => *before = allocations(),
            PACKETS => self.0.send(allocations() - *before).unwrap(),
            _ => {}
        }
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

#[test]
fn the_steady_state_allocates_nothing() {
    let codecs: [Framing; 4] = [
        Raw.into_framing(),
        Lines::new().into_framing(),
        LengthPrefixed::u32().into_framing(),
        Fixed::new(64).into_framing(),
    ];
    let mut tried = 0;
    for backend in Backend::of_this_system() {
        if Driver::new(DriverConfig { backend: Some(*backend), ..DriverConfig::default() }).is_err() {
            continue;
        }
        for codec in &codecs {
            let (counts, counted) = mpsc::channel();
            let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend));
            let server = builder.codec(codec.clone()).start(Echo(counts)).unwrap();
            let mut client = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
            client.set_nodelay(true).unwrap();
            let mut frames = Vec::new();
            for _ in 0..8 {
                codec.clone().encode(&[b'x'; 64], &mut frames).unwrap();
            }
            let mut back = vec![0; frames.len()];
            // Raw bytes have one packet a round, and the others eight.
            for _ in 0..PACKETS {
                client.write_all(&frames).unwrap();
                client.read_exact(&mut back).unwrap();
            }
            let allocations = counted.recv_timeout(Duration::from_secs(30)).unwrap();
            assert_eq!(allocations, 0, "{codec:?} on {backend}, in {} packets", PACKETS - WARM);
            server.handle().stop();
            server.wait().unwrap();
            tried += 1;
        }
    }
    assert!(tried >= codecs.len());
}
