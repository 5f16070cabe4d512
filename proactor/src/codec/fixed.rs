//! Frames of a fixed length.

use super::decoded::{Decoded, FrameError, MOST_FRAME_BYTES};
use super::frame::Frame;

/// Frames of a fixed number of bytes, with nothing around them.
///
/// ```
/// use proactor::codec::{Codec, Decoded, Fixed};
///
/// let mut codec = Fixed::new(4);
/// assert_eq!(codec.decode(b"abcdef"), Ok(Decoded::Frame { packet: 0..4, consumed: 4 }));
/// assert_eq!(codec.decode(b"ef"), Ok(Decoded::Need(4)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    bytes: usize,
}

impl Fixed {
    /// Frames of so many bytes: 1 to 1 GiB. The server checks it when it starts.
    pub fn new(bytes: usize) -> Fixed {
        Fixed { bytes }
    }

    /// The frame of a packet, if it has one.
    #[inline]
    pub(super) fn frame<'p>(&self, packet: &'p [u8]) -> Result<Frame<'p>, FrameError> {
        match packet.len() {
            len if len == self.bytes => Ok(Frame::of(packet)),
            len if len > self.bytes => Err(FrameError::TooLarge { limit: self.bytes }),
            _ => Err(FrameError::Malformed("a packet shorter than the fixed length")),
        }
    }

    /// The first packet and the rest, if all of the packet has come.
    #[inline]
    pub(super) fn first_packet<'p>(&self, bytes: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        bytes.split_at_checked(self.bytes)
    }
}

impl Fixed {
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        if bytes.len() < self.bytes {
            return Ok(Decoded::Need(self.bytes));
        }
        Ok(Decoded::Frame { packet: 0..self.bytes, consumed: self.bytes })
    }

    pub(super) fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.frame(packet)?.append_to(out);
        Ok(())
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self.bytes {
            1..=MOST_FRAME_BYTES => Ok(()),
            bytes => Err(format!("frames of {bytes} bytes: must be 1 to {MOST_FRAME_BYTES}")),
        }
    }
}
