//! A WebSocket session's framing: its settings, what has come, and what is sent.

use std::collections::hash_map::{DefaultHasher, RandomState};
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use super::close::{self, CloseCode, Violation};
use super::config::WebSocket;
use super::decoder::{Decoder, Found, Place};
use super::deflate::inflate::Inflation;
use super::deflate::{BITS, compress};
use super::frame::{self, Header, LONGEST_HEADER, MessageKind, Opcode, Role};
use super::upgrade::Upgrade;
use crate::codec::{Decoded, Frame, FrameError};

/// The messages of one WebSocket session, as a session holds them:
/// [`Framing::WebSocket`](crate::codec::Framing::WebSocket). A listener or a target makes it.
pub struct WebSocketFraming {
    settings: Arc<Settings>,
    pub(crate) decoder: Decoder,
    /// What the next packets are sent as, instead of by the settings.
    pub(crate) kind: Option<MessageKind>,
    /// What the packet that came last was.
    pub(crate) came: MessageKind,
    /// A close frame was sent.
    pub(crate) has_closed: bool,
    /// The window with which messages are compressed; 0 if they are not.
    send_bits: u8,
    keys: Keys,
    facts: Option<Box<Facts>>,
}

/// What few sessions have, or only when they end.
#[derive(Default)]
struct Facts {
    upgrade: Option<Upgrade>,
    /// What the close frame says, if that is not what the reason says.
    closing: Option<(Option<CloseCode>, Box<str>)>,
    peer_code: Option<CloseCode>,
}

/// What all sessions of a listener or target share.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) websocket: WebSocket,
    pub(crate) role: Role,
    /// Whether masking keys are the same in every run.
    is_simulated: bool,
    random: RandomState,
}

impl Settings {
    pub(crate) fn new(websocket: WebSocket, role: Role, is_simulated: bool) -> Settings {
        Settings { websocket, role, is_simulated, random: RandomState::new() }
    }
}

/// A client's masking keys: a keyed hash of the session and of a count, so that nobody who sees
/// some can tell the next.
#[derive(Clone, Copy, Debug, Default)]
struct Keys {
    session: u64,
    count: u32,
}

impl Keys {
    fn next(&mut self, settings: &Settings) -> Option<[u8; 4]> {
        (settings.role == Role::Client).then(|| {
            self.count = self.count.wrapping_add(1);
            (self.hash(settings, self.count.into()) as u32).to_ne_bytes()
        })
    }

    fn hash(self, settings: &Settings, of: u64) -> u64 {
        let hash = |mut hasher: DefaultHasher| {
            hasher.write_u64(self.session);
            hasher.write_u64(of);
            hasher.finish()
        };
        hash(if settings.is_simulated { DefaultHasher::new() } else { settings.random.build_hasher() })
    }
}

/// The key of a client's request.
pub(crate) fn request_key(settings: &Settings, session: u64) -> String {
    let keys = Keys { session, count: 0 };
    let mut bytes = [0; 16];
    for (index, half) in bytes.chunks_exact_mut(8).enumerate() {
        half.copy_from_slice(&keys.hash(settings, u64::MAX - index as u64).to_ne_bytes());
    }
    super::head::key_of(bytes)
}

impl WebSocketFraming {
    pub(crate) fn new(settings: Arc<Settings>) -> WebSocketFraming {
        let most = u32::try_from(settings.websocket.max_message).unwrap_or(u32::MAX);
        WebSocketFraming {
            decoder: Decoder::new(settings.role, most),
            settings,
            kind: None,
            came: MessageKind::Binary,
            has_closed: false,
            send_bits: 0,
            keys: Keys::default(),
            facts: None,
        }
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The upgrade is over. `session` tells this session's masking keys from others'.
    pub(crate) fn begin(&mut self, session: u64, upgrade: Upgrade) {
        self.keys.session = session;
        if let (Some(deflate), Some(agreed)) = (&self.settings.websocket.deflate, upgrade.deflate()) {
            self.send_bits = agreed.send_bits;
            self.decoder.inflate_by(Inflation::new(deflate, agreed));
        }
        self.facts.get_or_insert_default().upgrade = Some(upgrade);
    }

    pub(crate) fn upgrade(&self) -> Option<&Upgrade> {
        self.facts.as_ref()?.upgrade.as_ref()
    }

    /// The code of the peer's close frame.
    pub(crate) fn peer_code(&self) -> Option<CloseCode> {
        self.facts.as_ref()?.peer_code
    }

    /// The peer has closed: it gets its code back, unless the logic says another.
    pub(crate) fn peer_closed(&mut self, code: Option<CloseCode>) {
        let facts = self.facts.get_or_insert_default();
        facts.peer_code = code;
        facts.closing.get_or_insert_with(|| (code, "".into()));
    }

    /// What the close frame says, whatever the reason.
    pub(crate) fn close_with(&mut self, code: CloseCode, text: &str) {
        self.facts.get_or_insert_default().closing = Some((Some(code), text.into()));
    }

    /// Appends our close frame, once. `code` is that of the reason.
    pub(crate) fn append_close(&mut self, code: CloseCode, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_closed, true) {
            return;
        }
        let closing = self.facts.as_mut().and_then(|facts| facts.closing.take());
        let (code, text) = closing.unwrap_or_else(|| (Some(code), "".into()));
        let (payload, len) = close::payload(code, &text);
        self.append_control(Opcode::Close, &payload[..len], out);
    }

    /// Appends a control frame.
    pub(crate) fn append_control(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        frame::append(out, opcode, true, payload, self.keys.next(&self.settings));
    }

    /// Appends the answer to a ping that was found in `bytes`.
    pub(crate) fn append_pong(&mut self, ping: &Place, bytes: &[u8], out: &mut Vec<u8>) {
        let key = self.keys.next(&self.settings);
        frame::append(out, Opcode::Pong, true, self.decoder.payload(ping, bytes), key);
    }

    /// What the packets of a client are sent as; `None` for a server's end.
    pub(crate) fn client_kind(&self) -> Option<MessageKind> {
        (self.settings.role == Role::Client).then_some(self.settings.websocket.kind)
    }

    /// The framings of the sessions of a listener that compress: with its own window, and with the
    /// smallest.
    pub(crate) fn compressing(&self) -> Option<[WebSocketFraming; 2]> {
        let deflate = self.settings.websocket.deflate.as_ref()?;
        let with = |send_bits| WebSocketFraming { send_bits, ..self.clone() };
        Some([with(deflate.window_bits), with(*BITS.start())])
    }

    /// Which of its listener's framings this one is: the plain one is 0, and behind it come those
    /// that [compress](WebSocketFraming::compressing).
    pub(crate) fn variant(&self) -> u8 {
        match (&self.settings.websocket.deflate, self.send_bits) {
            (_, 0) | (None, _) => 0,
            (Some(deflate), bits) if bits == deflate.window_bits => 1,
            _ => 2,
        }
    }

    /// Whether frames of a group's broadcasts are the same for both.
    pub(crate) fn is_same(&self, other: &WebSocketFraming) -> bool {
        let key = |framing: &WebSocketFraming| {
            let Settings { websocket, role, .. } = &*framing.settings;
            let deflate = websocket.deflate.as_ref().map(|deflate| (deflate.level, deflate.window_bits, deflate.least));
            (websocket.kind, websocket.max_frame, websocket.max_message, *role, deflate, framing.send_bits)
        };
        key(self) == key(other)
    }

    /// What a packet is sent as.
    fn kind_of(&self, packet: &[u8]) -> Result<MessageKind, FrameError> {
        let kind = self.kind.unwrap_or(self.settings.websocket.kind);
        if kind == MessageKind::Binary || str::from_utf8(packet).is_ok() {
            return Ok(kind);
        }
        match self.kind {
            Some(_) => Err(FrameError::Malformed("a text message that is not UTF-8")),
            None => Ok(MessageKind::Binary),
        }
    }

    fn check_length(&self, packet: &[u8]) -> Result<(), FrameError> {
        let limit = self.settings.websocket.max_message;
        if packet.len() > limit { Err(FrameError::TooLarge { limit }) } else { Ok(()) }
    }

    /// The frame of a packet, if that is a short header and the packet unchanged.
    #[inline(never)]
    pub(crate) fn frame<'p>(&self, packet: &'p [u8]) -> Option<Result<Frame<'p>, FrameError>> {
        let Settings { websocket, role, .. } = &*self.settings;
        if *role == Role::Client || packet.len() > 0xffff.min(websocket.max_frame) || self.send_bits != 0 {
            return None;
        }
        Some(self.check_length(packet).and_then(|()| self.kind_of(packet)).map(|kind| {
            let payload = packet.len() as u64;
            let opcode = Opcode::Message(kind);
            let header = Header { opcode, is_last: true, is_compressed: false, key: None, payload };
            let (bytes, len) = header.bytes();
            let mut header = [0; 8];
            header.copy_from_slice(&bytes[..8]);
            Frame::new(header, len as u8, packet)
        }))
    }

    /// What a violation of the peer is to a codec's user.
    pub(crate) fn error_of(&self, violation: Violation) -> FrameError {
        match violation.code {
            CloseCode::TOO_BIG => FrameError::TooLarge { limit: self.decoder.most_bytes() },
            _ => FrameError::Malformed(violation.what),
        }
    }
}

/// What a codec does. A session does without [`decode`](WebSocketFraming::decode), which copies
/// messages and skips control frames (`session/websocket.rs`).
impl WebSocketFraming {
    /// The first message or control frame of some bytes.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        if bytes.is_empty() {
            return Ok(Decoded::Need(1));
        }
        let (mut copy, mut at) = (bytes.to_vec(), 0);
        let found = self.decoder.next(&mut copy, &mut at).map_err(|violation| self.error_of(violation))?;
        let Some(Found::Message(kind, place)) = found else { return Ok(Decoded::Skip(at)) };
        self.came = kind;
        let packet = Bytes::copy_from_slice(self.decoder.payload(&place, &copy));
        Ok(Decoded::Made { packet, consumed: at })
    }

    /// Appends the frames of a packet.
    pub(crate) fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.check_length(packet)?;
        let kind = self.kind_of(packet)?;
        let WebSocketFraming { settings, keys, send_bits, .. } = self;
        if *send_bits != 0
            && let Some(deflate) = &settings.websocket.deflate
            && packet.len() >= deflate.least
        {
            let most = settings.websocket.max_frame;
            let send = |bytes: &[u8]| frame::append_compressed(out, kind, bytes, most, || keys.next(settings));
            if compress::compressed(packet, deflate.level, *send_bits, send) {
                return Ok(());
            }
        }
        frame::append_message(out, kind, packet, settings.websocket.max_frame, || keys.next(settings));
        Ok(())
    }

    /// The most bytes of a message of one frame.
    pub(crate) fn max_bytes(&self) -> usize {
        LONGEST_HEADER + self.decoder.most_bytes()
    }

    /// Bytes of an unfinished message, or of an unfinished header: at least one if there is one.
    pub(crate) fn buffered(&self) -> usize {
        if self.decoder.is_within() { self.decoder.held().max(1) } else { 0 }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.settings.websocket.check()
    }
}

/// The framing of another session with the same settings.
impl Clone for WebSocketFraming {
    fn clone(&self) -> WebSocketFraming {
        WebSocketFraming { send_bits: self.send_bits, ..WebSocketFraming::new(Arc::clone(&self.settings)) }
    }
}

impl fmt::Debug for WebSocketFraming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketFraming").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(websocket: WebSocket, role: Role) -> WebSocketFraming {
        WebSocketFraming::new(Arc::new(Settings::new(websocket, role, true)))
    }

    /// The kind and the bytes of what the other side finds.
    fn read(bytes: &[u8], role: Role) -> (MessageKind, Vec<u8>) {
        let (mut bytes, mut at) = (bytes.to_vec(), 0);
        let mut decoder = Decoder::new(role, 1 << 20);
        let Ok(Some(Found::Message(kind, place))) = decoder.next(&mut bytes, &mut at) else { panic!("no message") };
        assert_eq!(at, bytes.len());
        (kind, decoder.payload(&place, &bytes).to_vec())
    }

    #[test]
    fn both_ways_to_make_a_frame_make_the_same() {
        for len in [0, 1, 125, 126, 65_535, 65_536, 70_000] {
            let packet = vec![b'x'; len];
            let mut server = framing(WebSocket::new().max_message(1 << 20), Role::Server);
            let mut encoded = Vec::new();
            server.encode(&packet, &mut encoded).unwrap();
            assert_eq!(read(&encoded, Role::Client), (MessageKind::Binary, packet.clone()));
            let Some(frame) = server.frame(&packet) else {
                assert!(len > 65_535);
                continue;
            };
            let mut framed = Vec::new();
            frame.unwrap().append_to(&mut framed);
            assert_eq!(framed, encoded);
        }
    }

    #[test]
    fn text_is_sent_as_text_if_it_is() {
        let mut server = framing(WebSocket::new().text(), Role::Server);
        let send = |server: &mut WebSocketFraming, packet: &[u8]| {
            let mut out = Vec::new();
            server.encode(packet, &mut out).map(|()| read(&out, Role::Client).0)
        };
        assert_eq!(send(&mut server, "größer".as_bytes()), Ok(MessageKind::Text));
        assert_eq!(send(&mut server, b"\xff"), Ok(MessageKind::Binary), "it has no other form");
        server.kind = Some(MessageKind::Binary);
        assert_eq!(send(&mut server, b"text"), Ok(MessageKind::Binary));
        server.kind = Some(MessageKind::Text);
        assert!(matches!(send(&mut server, b"\xff"), Err(FrameError::Malformed(_))));
        assert!(matches!(server.frame(b"\xff"), Some(Err(FrameError::Malformed(_)))));
        let small = framing(WebSocket::new().max_message(3), Role::Server);
        assert!(matches!(small.frame(b"four"), Some(Err(FrameError::TooLarge { limit: 3 }))));
    }

    #[test]
    fn a_client_masks_each_frame_with_another_key() {
        let mut client = framing(WebSocket::new().max_frame(4), Role::Client);
        assert!(client.frame(b"x").is_none());
        let mut out = Vec::new();
        client.encode(b"0123456789", &mut out).unwrap();
        assert_eq!(read(&out, Role::Server).1, b"0123456789");
        let keys = [&out[2..6], &out[12..16], &out[22..26]];
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2], "{keys:?}");
        let settings = |is_simulated| Settings::new(WebSocket::new(), Role::Client, is_simulated);
        let key = |settings: &Settings, session| request_key(settings, session);
        assert_eq!(key(&settings(true), 1), key(&settings(true), 1), "the same in every run");
        assert_ne!(key(&settings(true), 1), key(&settings(true), 2));
        assert_ne!(key(&settings(false), 1), key(&settings(false), 1));
    }

    #[test]
    fn a_close_frame_is_sent_once_and_says_what_it_was_told() {
        let mut server = framing(WebSocket::new(), Role::Server);
        let mut out = Vec::new();
        server.append_close(CloseCode::GOING_AWAY, &mut out);
        server.append_close(CloseCode::NORMAL, &mut out);
        assert_eq!(out, b"\x88\x02\x03\xe9");
        let mut server = framing(WebSocket::new(), Role::Server);
        server.peer_closed(CloseCode::new(4000));
        out.clear();
        server.append_close(CloseCode::NORMAL, &mut out);
        assert_eq!((&out[..], server.peer_code()), (&b"\x88\x02\x0f\xa0"[..], CloseCode::new(4000)));
        let mut server = framing(WebSocket::new(), Role::Server);
        server.peer_closed(None);
        out.clear();
        server.append_close(CloseCode::NORMAL, &mut out);
        assert_eq!(out, b"\x88\x00");
        let mut server = framing(WebSocket::new(), Role::Server);
        server.close_with(CloseCode::POLICY, "no");
        out.clear();
        server.append_close(CloseCode::NORMAL, &mut out);
        assert_eq!(out, b"\x88\x04\x03\xf0no");
    }

    #[test]
    fn a_session_pays_for_its_framing_what_it_must() {
        assert!(size_of::<WebSocketFraming>() <= 168, "{}", size_of::<WebSocketFraming>());
    }
}
