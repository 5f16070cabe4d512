//! The echo server of these tests, and packets for every codec.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use proactor::codec::{Codec, Decoded, Fixed, FrameError, Framing, LengthPrefixed, Lines};
use proactor::{Backend, CloseReason, Flow, Handler, NoMessage, Server, Session, SessionId, Timeouts};

use crate::harness::{PATIENCE, address_of, builder};

/// A server of one shard, so that sessions share a thread.
pub(super) fn start<H: Handler>(backend: Backend, codec: Framing, handler: H) -> (Server<H::Message>, SocketAddr) {
    let server = builder(backend, 1)
        .timeouts(Timeouts::new().linger(Duration::from_secs(1)))
        .codec(codec)
        .start(handler)
        .unwrap();
    let address = address_of(&server);
    (server, address)
}

/// Packets that end in a NUL byte. Panics if it decodes a `!` or encodes a `?` at the beginning.
#[derive(Clone)]
pub(super) struct NulEnded;

impl Codec for NulEnded {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        assert!(!bytes.starts_with(b"!"), "asked to panic");
        match bytes.iter().position(|byte| *byte == 0) {
            Some(end) => Ok(Decoded::Frame { packet: 0..end, consumed: end + 1 }),
            None => Ok(Decoded::Need(bytes.len() + 1)),
        }
    }
    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        out.extend_from_slice(packet);
        assert!(!packet.starts_with(b"?"), "asked to panic");
        out.push(0);
        Ok(())
    }
    fn max_bytes(&self) -> usize {
        1000
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Packet(Vec<u8>),
    Closed(CloseReason),
}

/// Echoes packets, and reports them and the end of the session. A packet that begins with `#` is
/// not reported.
#[derive(Clone)]
pub(super) struct Echo(Sender<Event>);

impl Echo {
    pub(super) fn new() -> (Echo, Receiver<Event>) {
        let (events, told) = mpsc::channel();
        (Echo(events), told)
    }
}

impl Handler for Echo {
    type State = bool;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> bool {
        true
    }
    fn received(&mut self, session: &Session, told: &mut bool, packet: &[u8]) -> Flow {
        *told = !packet.starts_with(b"#");
        if *told {
            self.0.send(Event::Packet(packet.to_vec())).unwrap();
        }
        match session.send(packet) {
            _ if packet == b"quit" => Flow::Close,
            Ok(()) => Flow::Continue,
            Err(error) => panic!("{error}"),
        }
    }
    fn closed(&mut self, _: SessionId, told: bool, reason: &CloseReason) {
        if told {
            let _ = self.0.send(Event::Closed(*reason));
        }
    }
}

pub(super) fn event(events: &Receiver<Event>) -> Event {
    events.recv_timeout(PATIENCE).unwrap()
}

pub(super) fn framed(codec: &Framing, packets: &[Vec<u8>]) -> Vec<u8> {
    let (mut codec, mut stream) = (codec.clone(), Vec::new());
    for packet in packets {
        codec.encode(packet, &mut stream).unwrap();
    }
    stream
}

/// Packets without a byte that means something to a codec. The longest need several receive
/// buffers.
pub(super) fn packets(count: usize, longest: usize) -> Vec<Vec<u8>> {
    let len = |index: usize| index * index * 31 % (longest + 1);
    (0..count).map(|index| (0..len(index)).map(|at| 0x80 | (index * 7 + at) as u8).collect()).collect()
}

pub(super) fn every_codec() -> Vec<(Framing, Vec<Vec<u8>>, usize)> {
    let prefixed = [
        LengthPrefixed::u8(),
        LengthPrefixed::u16().little_endian(),
        LengthPrefixed::u32(),
        LengthPrefixed::u32().counting_header(),
        LengthPrefixed::u64().little_endian().counting_header(),
    ];
    let mut all = vec![
        (Lines::new().max_line(50_000).into_framing(), 50_000),
        (Lines::new().crlf().into_framing(), 500),
        (NulEnded.into_framing(), 900),
    ];
    all.extend(prefixed.map(|codec| (codec.into_framing(), if codec == LengthPrefixed::u8() { 255 } else { 50_000 })));
    let mut all: Vec<_> = all
        .into_iter()
        .map(|(codec, longest)| {
            let count = if longest > 1000 { 100 } else { 2000 };
            (codec, packets(count, longest), longest)
        })
        .collect();
    let fixed = |bytes: usize, count: usize| vec![vec![0x81; bytes]; count];
    all.push((Fixed::new(1).into_framing(), fixed(1, 2000), 1));
    all.push((Fixed::new(40_000).into_framing(), fixed(40_000, 30), 40_000));
    all
}
