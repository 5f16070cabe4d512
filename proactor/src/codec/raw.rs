//! No framing: a packet is whatever has arrived.

use super::decoded::{Decoded, FrameError};

/// No framing: a packet is whatever arrived at once, at least 1 byte and at most 16 KiB. It is sent
/// unchanged. Packet boundaries have no meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

/// The usual receive buffer.
const MOST: usize = 16 * 1024;

impl Raw {
    #[inline]
    pub(super) fn first_packet<'p>(&self, bytes: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        if bytes.is_empty() { None } else { Some(bytes.split_at(bytes.len().min(MOST))) }
    }
}

impl Raw {
    #[inline]
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        Ok(match bytes.len().min(MOST) {
            0 => Decoded::Need(1),
            len => Decoded::Frame { packet: 0..len, consumed: len },
        })
    }

    pub(super) fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        out.extend_from_slice(packet);
        Ok(())
    }

    pub(super) fn max_bytes(&self) -> usize {
        MOST
    }

    pub(super) fn check(&self) -> Result<(), String> {
        Ok(())
    }
}
