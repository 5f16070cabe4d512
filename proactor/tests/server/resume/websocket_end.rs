//! A client's end of a WebSocket.

const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client's end of a WebSocket. What it says before its upgrade is accepted is sent after that.
#[derive(Debug, Default)]
pub(crate) struct WebSocketEnd {
    has_asked: bool,
    is_open: bool,
    early: Vec<u8>,
    /// What has come and is not used.
    came: Vec<u8>,
}

impl WebSocketEnd {
    /// What these bytes are on the way.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.early.extend_from_slice(bytes);
        let mut wire = Vec::new();
        if !std::mem::replace(&mut self.has_asked, true) {
            wire.extend_from_slice(REQUEST);
        }
        if self.is_open && !self.early.is_empty() {
            // Two messages, the first with a ping behind it.
            let (first, second) = self.early.split_at(self.early.len() / 2);
            for (opcode, payload) in [(0x82, first), (0x89, b"ping"), (0x82, second)] {
                wire.extend([opcode, 0xfe]);
                wire.extend((payload.len() as u16).to_be_bytes());
                let key = [7, 1, 0x80, 0xff];
                wire.extend(key);
                wire.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
            }
            // A short length has one form only.
            wire = shortest(&wire);
            self.early.clear();
        }
        wire
    }

    /// What has come in messages.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.came.extend_from_slice(bytes);
        if !self.is_open {
            let Some(end) = self.came.windows(4).position(|four| four == b"\r\n\r\n") else { return Vec::new() };
            assert!(self.came.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&self.came));
            self.came.drain(..end + 4);
            self.is_open = true;
        }
        let mut plain = Vec::new();
        while let [first, len, rest @ ..] = &self.came[..] {
            let (head, len) = match (len, rest) {
                (126, [high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
                (126, _) => break,
                (len, _) => (2, usize::from(*len)),
            };
            if self.came.len() < head + len {
                break;
            }
            let payload = &self.came[head..head + len];
            match first {
                0x82 => plain.extend_from_slice(payload),
                0x8a => assert_eq!(payload, b"ping"),
                other => panic!("a frame that begins with {other}"),
            }
            self.came.drain(..head + len);
        }
        plain
    }
}

/// Frames whose lengths are in the shortest form.
fn shortest(mut frames: &[u8]) -> Vec<u8> {
    let mut short = Vec::new();
    while let [opcode, _, high, low, rest @ ..] = frames {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        match len < 126 {
            true => short.extend([*opcode, 0x80 | len as u8]),
            false => short.extend([*opcode, 0xfe, *high, *low]),
        }
        let (frame, others) = rest.split_at(4 + len);
        short.extend_from_slice(frame);
        frames = others;
    }
    short
}
