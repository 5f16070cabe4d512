//! What codecs answer, and a frame that is a header and the packet unchanged.

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

/// Bytes of the longest header.
pub(crate) const LONGEST_HEADER: usize = 8;

/// A frame that is a header and a packet. It is written straight into the outbox.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'p> {
    /// The bytes behind the header are not defined.
    header: [u8; LONGEST_HEADER],
    header_len: u8,
    packet: &'p [u8],
}

impl<'p> Frame<'p> {
    #[inline]
    pub(crate) fn new(header: [u8; LONGEST_HEADER], header_len: u8, packet: &'p [u8]) -> Frame<'p> {
        Frame { header, header_len, packet }
    }

    /// A frame without a header.
    #[inline]
    pub(crate) fn of(bytes: &'p [u8]) -> Frame<'p> {
        Frame::new([0; LONGEST_HEADER], 0, bytes)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.header_len) + self.packet.len()
    }

    /// The packet, if it has no header.
    pub(crate) fn without_header(&self) -> Option<&'p [u8]> {
        (self.header_len == 0).then_some(self.packet)
    }

    /// Bytes of memory that it needs while it is written.
    #[inline]
    pub(crate) fn written(&self) -> usize {
        LONGEST_HEADER + self.packet.len()
    }

    #[inline]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        if self.header_len > 0 {
            // All header bytes, then truncated: a copy whose length the compiler does not know is a
            // call.
            let end = out.len() + usize::from(self.header_len);
            out.extend_from_slice(&self.header);
            out.truncate(end);
        }
        out.extend_from_slice(self.packet);
    }
}
