//! A WebSocket client of the tests, which shares nothing with the server's own code.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use proactor::codec::{Codec, Decoded, FrameError};

use crate::harness::connect;

pub(crate) const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
pub(crate) const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const LAST: u8 = 0x80;

/// A frame as a server sends it, or as a client does.
pub(crate) fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut frame = vec![first];
    let mask = if masked { 0x80 } else { 0 };
    match payload.len() {
        len @ 0..126 => frame.push(mask | len as u8),
        len @ 126..0x1_0000 => {
            frame.push(mask | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(mask | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    const KEY: [u8; 4] = [0x21, 0xf3, 0x08, 0x9c];
    if masked {
        frame.extend_from_slice(&KEY);
    }
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| if masked { byte ^ key } else { *byte }));
    frame
}

/// A whole frame of a client.
pub(crate) fn sent(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(LAST | opcode, payload.as_ref(), true)
}

/// A whole frame of a server.
pub(crate) fn served(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(LAST | opcode, payload.as_ref(), false)
}

/// A close frame's payload.
pub(crate) fn closing(code: u16, text: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], text.as_bytes()].concat()
}

pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    /// Connects, and is accepted.
    #[track_caller]
    pub(crate) fn new(address: SocketAddr) -> Peer {
        let (peer, answer) = Peer::asking(address, REQUEST);
        assert_eq!(answer, ACCEPTED);
        peer
    }

    /// Connects with a request. Returns the head of the answer.
    #[track_caller]
    pub(crate) fn asking(address: SocketAddr, request: &str) -> (Peer, String) {
        let peer = Peer(connect(address));
        (&peer.0).write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend_from_slice(&peer.bytes(1));
        }
        (peer, String::from_utf8(head).unwrap())
    }

    #[track_caller]
    fn bytes(&self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        (&self.0).read_exact(&mut bytes).unwrap();
        bytes
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        (&self.0).write_all(bytes).unwrap();
    }

    pub(crate) fn send(&self, opcode: u8, payload: impl AsRef<[u8]>) {
        self.write(&sent(opcode, payload));
    }

    /// The first byte and the payload of the next frame.
    #[track_caller]
    pub(crate) fn next(&self) -> (u8, Vec<u8>) {
        let [first, second] = self.bytes(2)[..] else { unreachable!("two bytes") };
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let len = match second {
            126 => u16::from_be_bytes(self.bytes(2).try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.bytes(8).try_into().unwrap()) as usize,
            short => short.into(),
        };
        (first, self.bytes(len))
    }

    /// Expects a whole frame.
    #[track_caller]
    pub(crate) fn expect(&self, opcode: u8, payload: impl AsRef<[u8]>) {
        let (first, came) = self.next();
        let payload = payload.as_ref();
        assert!(
            first == LAST | opcode && came == payload,
            "{first:x} {:?} instead of {opcode} {:?}",
            String::from_utf8_lossy(&came[..came.len().min(200)]),
            String::from_utf8_lossy(&payload[..payload.len().min(200)])
        );
    }

    /// Expects a close frame with this code, and the end of the stream behind it.
    #[track_caller]
    pub(crate) fn expect_close(&self, code: u16) {
        let (first, payload) = self.next();
        let came = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        assert_eq!((first, came), (LAST | CLOSE, Some(code)), "{payload:?}");
        self.expect_end();
    }

    #[track_caller]
    pub(crate) fn expect_end(&self) {
        assert_eq!((&self.0).read(&mut [0]).unwrap(), 0, "the end of the stream");
    }
}

/// For simulated clients: the head of an answer is a packet, and then each frame is, with its
/// header. Packets are sent as they are.
#[derive(Clone, Default)]
pub(crate) struct Frames {
    is_open: bool,
}

impl Codec for Frames {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        if !self.is_open {
            let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
                return Ok(Decoded::Need(bytes.len() + 1));
            };
            self.is_open = true;
            return Ok(Decoded::Frame { packet: 0..at + 4, consumed: at + 4 });
        }
        let [_, second, ..] = *bytes else { return Ok(Decoded::Need(2)) };
        let (header, len) = match second & 0x7f {
            126 if bytes.len() < 4 => return Ok(Decoded::Need(4)),
            127 if bytes.len() < 10 => return Ok(Decoded::Need(10)),
            126 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
            127 => (10, bytes[2..10].iter().fold(0, |len, byte| len << 8 | usize::from(*byte))),
            short => (2, usize::from(short)),
        };
        let end = header + len;
        Ok(if bytes.len() < end { Decoded::Need(end) } else { Decoded::Frame { packet: 0..end, consumed: end } })
    }

    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        out.extend_from_slice(packet);
        Ok(())
    }

    fn max_bytes(&self) -> usize {
        1 << 20
    }
}
