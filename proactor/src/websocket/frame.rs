//! Frames on the wire: the header, what may be in it, and frames for the peer.

use super::close::{MOST_CONTROL_BYTES, Violation};
use super::mask;

/// Whether a message is text or binary.
///
/// [`Session::packet_kind`](crate::Session::packet_kind) tells what has come;
/// [`Session::send_as`](crate::Session::send_as) and [`WebSocket::text`](super::WebSocket::text)
/// say what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Text: its bytes are UTF-8. What came as text has been checked.
    Text,
    /// Any bytes.
    #[default]
    Binary,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Message(MessageKind),
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Message(MessageKind::Text),
            2 => Opcode::Message(MessageKind::Binary),
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Message(MessageKind::Text) => 1,
            Opcode::Message(MessageKind::Binary) => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }

    #[inline]
    pub(crate) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// Which end of a connection this is. A client masks what it sends, and a server does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// The longest header: two bytes, a length of eight, a key of four.
pub(crate) const LONGEST_HEADER: usize = 14;
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// The reserved bit that says of a message that it is compressed.
pub(crate) const COMPRESSED: u8 = 0x40;
const MASKED: u8 = 0x80;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    /// It is the last of its message.
    pub(crate) is_last: bool,
    /// It begins a message that is compressed.
    pub(crate) is_compressed: bool,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: u64,
}

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// The header needs so many bytes in all.
    Need(usize),
    /// The header, and how many bytes it has.
    Header(Header, usize),
}

impl Header {
    /// Reads a header that was sent to this end. What is wrong is said as soon as it can be seen.
    /// `allowed` are the reserved bits that an extension has given a meaning.
    #[inline]
    pub(crate) fn parse(bytes: &[u8], role: Role, allowed: u8) -> Result<Parsed, Violation> {
        let [first, second, ..] = *bytes else {
            if let [first] = *bytes {
                opcode_of(first, allowed)?;
            }
            return Ok(Parsed::Need(2));
        };
        let (opcode, is_last) = (opcode_of(first, allowed)?, first & FIN != 0);
        let is_compressed = first & COMPRESSED != 0;
        let is_masked = second & MASKED != 0;
        if is_masked != (role == Role::Server) {
            return Err(Violation::protocol(match role {
                Role::Server => "a client's frame that is not masked",
                Role::Client => "a server's frame that is masked",
            }));
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > MOST_CONTROL_BYTES {
            return Err(Violation::protocol("a control frame of more than 125 bytes"));
        }
        let (payload, key_at) = match short {
            126 => match bytes.get(2..4) {
                Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4),
                _ => return Ok(Parsed::Need(4)),
            },
            127 => match bytes.get(2..).and_then(<[u8]>::first_chunk::<8>) {
                Some(length) => (u64::from_be_bytes(*length), 10),
                None => return Ok(Parsed::Need(10)),
            },
            short => (u64::from(short), 2),
        };
        match short {
            126 if payload < 126 => return Err(Violation::protocol("a length in more bytes than it needs")),
            127 if payload <= 0xffff => return Err(Violation::protocol("a length in more bytes than it needs")),
            127 if payload >> 63 != 0 => return Err(Violation::protocol("a length of more than 63 bits")),
            _ => {}
        }
        if !is_masked {
            return Ok(Parsed::Header(Header { opcode, is_last, is_compressed, key: None, payload }, key_at));
        }
        let Some(key) = bytes.get(key_at..).and_then(<[u8]>::first_chunk::<4>) else {
            return Ok(Parsed::Need(key_at + 4));
        };
        Ok(Parsed::Header(Header { opcode, is_last, is_compressed, key: Some(*key), payload }, key_at + 4))
    }

    /// The header as bytes, and how many of them count.
    #[inline]
    pub(crate) fn bytes(&self) -> ([u8; LONGEST_HEADER], usize) {
        let mut bytes = [0; LONGEST_HEADER];
        bytes[0] = self.opcode.bits() | if self.is_last { FIN } else { 0 };
        if self.is_compressed {
            bytes[0] |= COMPRESSED;
        }
        let mut len = match self.payload {
            0..126 => {
                bytes[1] = self.payload as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(self.payload as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&self.payload.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.key {
            bytes[1] |= MASKED;
            bytes[len..len + 4].copy_from_slice(&key);
            len += 4;
        }
        (bytes, len)
    }
}

/// What the first byte of a frame says, if it may.
#[inline]
fn opcode_of(first: u8, allowed: u8) -> Result<Opcode, Violation> {
    if first & RESERVED & !allowed != 0 {
        return Err(Violation::protocol("a reserved bit without an extension that gives it a meaning"));
    }
    let opcode = Opcode::of(first & 0xf).ok_or(Violation::protocol("a reserved opcode"))?;
    if opcode.is_control() && first & FIN == 0 {
        return Err(Violation::protocol("a control frame in fragments"));
    }
    if first & COMPRESSED != 0 && !matches!(opcode, Opcode::Message(_)) {
        return Err(Violation::protocol("a compressed frame that begins no message"));
    }
    Ok(opcode)
}

/// Appends one frame. A client gives the key that it is masked with.
pub(crate) fn append(out: &mut Vec<u8>, opcode: Opcode, is_last: bool, payload: &[u8], key: Option<[u8; 4]>) {
    let header = Header { opcode, is_last, is_compressed: false, key, payload: payload.len() as u64 };
    append_with(out, header, payload);
}

fn append_with(out: &mut Vec<u8>, header: Header, payload: &[u8]) {
    let (bytes, len) = header.bytes();
    out.extend_from_slice(&bytes[..len]);
    let begin = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = header.key {
        mask::apply(&mut out[begin..], key, 0);
    }
}

/// Appends a message, in fragments of at most `most` bytes. A client gives a key for each frame.
pub(crate) fn append_message(
    out: &mut Vec<u8>,
    kind: MessageKind,
    message: &[u8],
    most: usize,
    key: impl FnMut() -> Option<[u8; 4]>,
) {
    append_fragments(out, kind, message, false, most, key);
}

/// Appends a message that is compressed already, as [`append_message`] does.
pub(crate) fn append_compressed(
    out: &mut Vec<u8>,
    kind: MessageKind,
    compressed: &[u8],
    most: usize,
    key: impl FnMut() -> Option<[u8; 4]>,
) {
    append_fragments(out, kind, compressed, true, most, key);
}

fn append_fragments(
    out: &mut Vec<u8>,
    kind: MessageKind,
    message: &[u8],
    mut is_compressed: bool,
    most: usize,
    mut key: impl FnMut() -> Option<[u8; 4]>,
) {
    let mut frame = |opcode, is_last, is_compressed, payload: &[u8]| {
        let header = Header { opcode, is_last, is_compressed, key: key(), payload: payload.len() as u64 };
        append_with(out, header, payload);
    };
    let mut opcode = Opcode::Message(kind);
    let mut rest = message;
    while rest.len() > most {
        let (fragment, behind) = rest.split_at(most);
        frame(opcode, false, is_compressed, fragment);
        (opcode, is_compressed, rest) = (Opcode::Continuation, false, behind);
    }
    frame(opcode, true, is_compressed, rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn header(payload: u64, key: Option<[u8; 4]>) -> Header {
        Header { opcode: Opcode::Message(MessageKind::Binary), is_last: true, is_compressed: false, key, payload }
    }

    #[test]
    fn headers_are_read_as_they_are_written_and_every_byte_of_them_is_needed() {
        for payload in [0, 1, 125, 126, 127, 65_535, 65_536, (1 << 63) - 1] {
            for (key, role) in [(None, Role::Client), (Some(KEY), Role::Server)] {
                let header = header(payload, key);
                let (bytes, len) = header.bytes();
                assert_eq!(Header::parse(&bytes, role, 0), Ok(Parsed::Header(header, len)));
                for cut in 0..len {
                    let Ok(Parsed::Need(need)) = Header::parse(&bytes[..cut], role, 0) else {
                        panic!("{cut} of {len}")
                    };
                    assert!(need > cut && need <= len);
                }
            }
        }
    }

    #[test]
    fn the_examples_of_the_standard() {
        let mut out = Vec::new();
        append(&mut out, Opcode::Message(MessageKind::Text), true, b"Hello", None);
        assert_eq!(out, b"\x81\x05Hello");
        out.clear();
        append(&mut out, Opcode::Message(MessageKind::Text), true, b"Hello", Some(KEY));
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        out.clear();
        append_message(&mut out, MessageKind::Text, b"Hello", 3, || None);
        assert_eq!(out, b"\x01\x03Hel\x80\x02lo");
        out.clear();
        append(&mut out, Opcode::Ping, true, b"Hello", None);
        assert_eq!(out, b"\x89\x05Hello");
    }

    #[test]
    fn what_no_header_may_have_is_seen_with_the_first_byte_that_has_it() {
        let parse = |bytes: &[u8]| Header::parse(bytes, Role::Server, 0).unwrap_err().what;
        assert_eq!(parse(b"\x91"), "a reserved bit without an extension that gives it a meaning");
        let compressed = |bytes: &[u8]| Header::parse(bytes, Role::Client, COMPRESSED);
        for bad in [&b"\xc0"[..], b"\xc8", b"\xc9", b"\xca", b"\xe1", b"\xd1", b"\x91"] {
            assert!(compressed(bad).is_err(), "{bad:x?}");
        }
        let Ok(Parsed::Header(header, 2)) = compressed(b"\xc1\x00") else { panic!("it begins a message") };
        assert!(header.is_compressed && header.bytes().0[0] == 0xc1);
        assert_eq!(parse(b"\x83"), "a reserved opcode");
        assert_eq!(parse(b"\x09"), "a control frame in fragments");
        assert_eq!(parse(b"\x81\x05"), "a client's frame that is not masked");
        assert_eq!(parse(b"\x89\xfe"), "a control frame of more than 125 bytes");
        assert_eq!(parse(b"\x82\xfe\x00\x7d"), "a length in more bytes than it needs");
        assert_eq!(parse(b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff"), "a length in more bytes than it needs");
        assert_eq!(parse(b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"), "a length of more than 63 bits");
        assert_eq!(Header::parse(b"\x81\x85", Role::Client, 0).unwrap_err().what, "a server's frame that is masked");
    }
}
