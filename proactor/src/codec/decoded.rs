//! What codecs answer.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

/// The most bytes that a codec may allow one frame to have: 1 GiB.
pub const MOST_FRAME_BYTES: usize = 1 << 30;

/// What a codec finds at the beginning of the bytes that it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole frame: the packet is the part `packet` of the bytes, and the frame is the first
    /// `consumed` of them, at least one.
    Frame {
        /// Where the packet lies, within what is consumed.
        packet: Range<usize>,
        /// Bytes of the frame, header and end included.
        consumed: usize,
    },
    /// A packet that is not a part of the bytes: the codec made it of the first `consumed` bytes,
    /// or of what it had taken before (then that may be 0). For codecs that unescape, decrypt or
    /// decompress.
    Made {
        /// The packet.
        packet: Bytes,
        /// Bytes that it took.
        consumed: usize,
    },
    /// So many bytes, at least one, belong to no packet, or the codec has kept them.
    Skip(usize),
    /// No frame ends within the bytes. Ask again when there are so many in all: more than were
    /// shown, and no more than [`Codec::max_bytes`](super::Codec::max_bytes).
    Need(usize),
}

/// Why bytes are no valid frame, or a packet has no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame is over the codec's maximum of so many bytes.
    TooLarge {
        /// The maximum.
        limit: usize,
    },
    /// It breaks the rules of the format; the text says which.
    Malformed(&'static str),
    /// The stream ended in the middle of a frame.
    Unfinished,
    /// The codec itself broke the rules of [`Codec`](super::Codec); the text says which. A fault of
    /// the program, not of the peer.
    Fault(&'static str),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge { limit } => write!(f, "a frame is over the limit of {limit} bytes"),
            FrameError::Malformed(what) => write!(f, "a frame is malformed: {what}"),
            FrameError::Unfinished => f.write_str("the stream ended in the middle of a frame"),
            FrameError::Fault(what) => write!(f, "the codec is at fault: {what}"),
        }
    }
}

impl std::error::Error for FrameError {}
