//! Codecs: where in a stream of bytes one packet ends and the next begins. They know no socket.
//!
//! | codec | a frame is |
//! |---|---|
//! | [`Raw`] | whatever has arrived |
//! | [`Lines`] | a line that ends in LF or CR LF |
//! | [`LengthPrefixed`] | a length of 1, 2, 4 or 8 bytes, then so many bytes |
//! | [`Fixed`] | a fixed number of bytes |
//! | your own | what your [`Codec`] says |
//!
//! A codec looks at bytes and says where the packet in them lies; it copies nothing. [`Assembly`] gives it the pieces of a stream as they
//! come and gathers what lies across two of them. What is over a codec's maximum is refused as soon as that can be seen, before
//! memory is spent on it.
//!
//! ```
//! use proactor::codec::{Assembly, Codec, Lines};
//!
//! let mut codec = Lines::new().max_line(80).into_framing();
//! let mut assembly = Assembly::new();
//! let mut lines = Vec::new();
//! for mut piece in [&b"GET /one\r\nGET"[..], b" /two\n"] {
//!     while let Some(line) = assembly.next(&mut codec, &mut piece).unwrap() {
//!         lines.push(String::from_utf8_lossy(&line).into_owned());
//!     }
//! }
//! assert_eq!(lines, ["GET /one", "GET /two"]);
//! ```

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

mod assembly;
mod fixed;
mod frame;
mod framing;
mod length;
mod lines;
mod raw;
#[cfg(feature = "tokio-util")]
mod tokio_util;

pub use assembly::{Assembly, BacklogFull, Payload};
pub use fixed::Fixed;
pub(crate) use frame::Frame;
pub use framing::{Framing, OwnCodec};
pub use length::LengthPrefixed;
pub use lines::Lines;
pub use raw::Raw;
#[cfg(feature = "tokio-util")]
pub use tokio_util::{FromPacket, TokioUtil};

/// The most bytes that a codec may allow one frame to have: 1 GiB.
pub const MOST_FRAME_BYTES: usize = 1 << 30;

/// What a codec finds at the beginning of the bytes that it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole frame: the packet is the part `packet` of the bytes, and the frame is the first `consumed` of them, at least one.
    Frame {
        /// Where the packet lies, within what is consumed.
        packet: Range<usize>,
        /// Bytes of the frame, header and end included.
        consumed: usize,
    },
    /// A packet that is not a part of the bytes: the codec made it, of the first `consumed` bytes or of what it had taken before (then
    /// that may be 0). For codecs that unescape, decrypt or decompress.
    Made {
        /// The packet.
        packet: Bytes,
        /// Bytes that it took.
        consumed: usize,
    },
    /// So many bytes, at least one, belong to no packet, or the codec has taken them.
    Skip(usize),
    /// No frame ends within the bytes. It is not worth asking before there are so many in all; more than were shown, and no more than
    /// [`Codec::max_bytes`].
    Need(usize),
}

/// Why bytes are no frame, or a packet cannot be made one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// It is over the codec's maximum of so many bytes.
    TooLarge {
        /// The maximum.
        limit: usize,
    },
    /// It breaks the rules of the format; the text says which.
    Malformed(&'static str),
    /// The stream ended in the middle of a frame.
    Unfinished,
    /// The codec itself broke the rules of [`Codec`]; the text says which. A fault of the program, not of the peer.
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

/// Finds packets in a stream of bytes and makes frames of packets. Each session has a value of its own, a clone of the server's.
///
/// Keep it small: an idle session costs its size. An error of [`decode`](Codec::decode) or [`end`](Codec::end) ends the stream; the codec
/// is not asked again.
///
/// # Example
///
/// Packets that end in a NUL byte:
///
/// ```
/// use proactor::codec::{Assembly, Codec, Decoded, FrameError};
///
/// #[derive(Clone)]
/// struct NulEnded;
///
/// const LIMIT: usize = 1024;
///
/// impl Codec for NulEnded {
///     fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
///         match bytes.iter().position(|byte| *byte == 0) {
///             Some(end) => Ok(Decoded::Frame { packet: 0..end, consumed: end + 1 }),
///             None => Ok(Decoded::Need(bytes.len() + 1)),
///         }
///     }
///     fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
///         if packet.contains(&0) {
///             return Err(FrameError::Malformed("a NUL within the packet"));
///         }
///         out.extend_from_slice(packet);
///         out.push(0);
///         Ok(())
///     }
///     fn max_bytes(&self) -> usize {
///         LIMIT
///     }
/// }
///
/// let mut codec = NulEnded.into_framing();
/// let mut frames = Vec::new();
/// codec.encode(b"hello", &mut frames).unwrap();
/// let mut piece = &frames[..];
/// let mut assembly = Assembly::new();
/// assert_eq!(&*assembly.next(&mut codec, &mut piece).unwrap().unwrap(), b"hello");
/// ```
pub trait Codec: Send + 'static {
    /// Looks at the bytes of the stream from the first that has not been consumed on, and says what they begin with.
    ///
    /// It is asked again with what is left after each frame, be that nothing, until it says [`Decoded::Need`]; after that with the same
    /// bytes and more behind them, so that it may remember how far it has looked. Bytes behind a frame that it found may come
    /// again in another cut.
    ///
    /// # Errors
    /// The bytes are no frame, or one over the maximum.
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError>;

    /// Appends the frame of a packet to `out`, and leaves alone what is there.
    ///
    /// # Errors
    /// No frame can be made of the packet. What was appended is taken off again.
    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError>;

    /// The most bytes a frame may have in the stream, with all that belongs to it: 1 to [`MOST_FRAME_BYTES`]. This is what is gathered
    /// of one frame, at most, and so what a session can make the server keep.
    fn max_bytes(&self) -> usize;

    /// The stream has ended and [`decode`](Codec::decode) needs more than the `rest`: what does that mean? It is asked again after what it finds, until it
    /// says `None`.
    ///
    /// Unless it is overridden, a rest is a frame cut short.
    ///
    /// # Errors
    /// The stream may not end here.
    fn end(&mut self, rest: &[u8]) -> Result<Option<Decoded>, FrameError> {
        if rest.is_empty() { Ok(None) } else { Err(FrameError::Unfinished) }
    }

    /// Bytes that the codec has itself taken, as [`Decoded::Skip`], of a packet that is not complete: none, for most. A session that stays within a
    /// packet for too long is closed.
    fn buffered(&self) -> usize {
        0
    }

    /// Whether its settings are usable; asked when a server starts.
    ///
    /// # Errors
    /// A text that names the setting and its range.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// The codec as sessions hold it. The built-in ones are held in place, others in a box.
    fn into_framing(self) -> Framing
    where
        Self: Sized + Clone,
    {
        Framing::Own(Box::new(self))
    }
}
