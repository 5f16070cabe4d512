//! A held codec is printed as the codec that it is; and a WebSocket's framing is held in the place
//! of a codec.

use std::fmt;

use super::framing::Framing;
#[cfg(feature = "websocket")]
use super::{decoded::Decoded, decoded::FrameError, framing::Codec};
#[cfg(feature = "websocket")]
use crate::websocket::WebSocketFraming;

impl fmt::Debug for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Framing::Raw(codec) => codec.fmt(f),
            Framing::Lines(codec) => codec.fmt(f),
            Framing::LengthPrefixed(codec) => codec.fmt(f),
            Framing::Fixed(codec) => codec.fmt(f),
            #[cfg(feature = "websocket")]
            Framing::WebSocket(codec) => codec.fmt(f),
            Framing::Own(_) => f.write_str("Own"),
        }
    }
}

#[cfg(feature = "websocket")]
impl Codec for WebSocketFraming {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        WebSocketFraming::decode(self, bytes)
    }

    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        WebSocketFraming::encode(self, packet, out)
    }

    fn max_bytes(&self) -> usize {
        WebSocketFraming::max_bytes(self)
    }

    fn buffered(&self) -> usize {
        WebSocketFraming::buffered(self)
    }

    fn check(&self) -> Result<(), String> {
        WebSocketFraming::check(self)
    }

    fn into_framing(self) -> Framing {
        Framing::WebSocket(Box::new(self))
    }
}
