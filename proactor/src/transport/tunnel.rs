//! Records of a session that is resumed, in the binary messages of a WebSocket.

use super::failure::Failure;
use crate::websocket::decoder::{Decoder, Found};
use crate::websocket::frame::{self, Opcode, Role};
use crate::websocket::framing::Settings;
use crate::websocket::{CloseCode, MessageKind, close};

/// A server's end of a WebSocket whose binary messages carry a stream of bytes. Where one ends and
/// the next begins means nothing.
pub(super) struct Tunnel {
    decoder: Decoder,
    /// A close frame has come, and is answered.
    is_over: bool,
}

impl Tunnel {
    pub(super) fn new(settings: &Settings) -> Tunnel {
        let most = u32::try_from(settings.websocket.most_message()).unwrap_or(u32::MAX);
        Tunnel { decoder: Decoder::new(Role::Server, most), is_over: false }
    }

    /// Makes of received frames the bytes in them. Appends to `answer` what they ask for.
    pub(super) fn receive(&mut self, bytes: &mut Vec<u8>, answer: &mut Vec<u8>) -> Result<(), Failure> {
        let (mut at, mut plain) = (0, Vec::new());
        while !self.is_over {
            let found = self.decoder.next(bytes, &mut at);
            let found = found.map_err(|violation| Failure::resume(violation.what))?;
            match found {
                None => break,
                Some(Found::Message(MessageKind::Binary, place)) => {
                    plain.extend_from_slice(self.decoder.payload(&place, bytes));
                }
                Some(Found::Message(MessageKind::Text, _)) => {
                    return Err(Failure::resume("it is text; send binary messages"));
                }
                Some(Found::Ping(place)) => {
                    frame::append(answer, Opcode::Pong, true, self.decoder.payload(&place, bytes), None);
                }
                Some(Found::Pong) => {}
                Some(Found::Close(_)) => {
                    self.is_over = true;
                    self.close(answer);
                }
            }
        }
        *bytes = plain;
        Ok(())
    }

    /// Appends a message with these bytes.
    pub(super) fn send(&self, bytes: &[u8], wire: &mut Vec<u8>) {
        frame::append(wire, Opcode::Message(MessageKind::Binary), true, bytes, None);
    }

    /// These frames, and a close frame.
    pub(super) fn closed(&self, mut frames: Vec<u8>) -> Vec<u8> {
        self.close(&mut frames);
        frames
    }

    /// Appends a close frame.
    fn close(&self, wire: &mut Vec<u8>) {
        let (payload, len) = close::payload(Some(CloseCode::NORMAL), "");
        frame::append(wire, Opcode::Close, true, &payload[..len], None);
    }
}
