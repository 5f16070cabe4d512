//! The trait that all codecs have, the codec that one session holds (a built-in one in place, or
//! your own in a box), and the two codecs whose frames are the packets unchanged.

use std::ops::{Deref, DerefMut};

use super::decoded::{Decoded, Frame, FrameError, MOST_FRAME_BYTES};
use super::{length::LengthPrefixed, lines::Lines};
use crate::panic::contained;
#[cfg(feature = "websocket")]
use crate::websocket::WebSocketFraming;

/// Finds packets in a stream of bytes, and makes frames of packets. Each session has its own value,
/// a clone of the server's.
///
/// Keep it small: an idle session costs its size. After an error of [`decode`](Codec::decode) or
/// [`end`](Codec::end) the stream is at its end and the codec is not asked again.
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
    /// Looks at the first bytes of the stream that are not consumed, and says what they begin with.
    ///
    /// After each frame it is asked again with what is left, even if that is nothing, until it
    /// answers [`Decoded::Need`]. Then it is asked with the same bytes and more behind them, so it
    /// may remember how far it has looked. Bytes behind a frame may come again in other pieces.
    ///
    /// # Errors
    /// The bytes are no valid frame, or the frame is over the maximum.
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError>;

    /// Appends the frame of a packet to `out`. Bytes that are in `out` already must not change.
    ///
    /// # Errors
    /// The packet has no frame. What was appended is removed again.
    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError>;

    /// The most bytes of a frame in the stream, header and end included: 1 to [`MOST_FRAME_BYTES`].
    /// So many bytes of one frame are gathered at most, so this limits what a session can make the
    /// server keep.
    fn max_bytes(&self) -> usize;

    /// The stream has ended, and [`decode`](Codec::decode) needs more than the `rest`. Says what
    /// the rest means. It is asked again after each packet that it finds, until it answers `None`.
    ///
    /// By default, a rest is a frame cut short.
    ///
    /// # Errors
    /// The stream may not end here.
    fn end(&mut self, rest: &[u8]) -> Result<Option<Decoded>, FrameError> {
        if rest.is_empty() { Ok(None) } else { Err(FrameError::Unfinished) }
    }

    /// Bytes of an unfinished packet that the codec has taken itself, by [`Decoded::Skip`]. Most
    /// codecs take none. A session that stays within a packet for too long is closed.
    fn buffered(&self) -> usize {
        0
    }

    /// Checks the settings. The server asks when it starts.
    ///
    /// # Errors
    /// A text that names the setting and its range.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// The codec as sessions hold it: a built-in one in place, others in a box.
    fn into_framing(self) -> Framing
    where
        Self: Sized + Clone,
    {
        Framing::Own(BoxedCodec::new(self))
    }
}

/// A codec as a session holds it. A built-in one needs no allocation and no virtual call.
/// [`into_framing`](Codec::into_framing) makes one of any [`Codec`], so a codec can be chosen at
/// run time.
///
/// ```
/// use proactor::codec::{Codec, Framing, LengthPrefixed, Lines};
///
/// fn by_name(name: &str) -> Option<Framing> {
///     Some(match name {
///         "lines" => Lines::new().into_framing(),
///         "length" => LengthPrefixed::u32().into_framing(),
///         _ => return None,
///     })
/// }
/// assert!(by_name("lines").is_some());
/// ```
#[derive(Clone)]
pub enum Framing {
    /// No framing.
    Raw(Raw),
    /// Lines.
    Lines(Lines),
    /// Frames that begin with their length.
    LengthPrefixed(LengthPrefixed),
    /// Frames of a fixed length.
    Fixed(Fixed),
    /// Messages of a WebSocket: a [`Listener::websocket`](crate::Listener::websocket) has them, and
    /// no codec.
    #[cfg(feature = "websocket")]
    WebSocket(Box<WebSocketFraming>),
    /// Your own.
    Own(BoxedCodec),
}

/// A [`Codec`] of your own behind one pointer, so that sessions with other codecs do not pay for
/// two.
#[derive(Clone)]
pub struct BoxedCodec(Box<Box<dyn OwnCodec>>);

impl BoxedCodec {
    /// Boxes a codec.
    pub fn new(codec: impl Codec + Clone) -> BoxedCodec {
        BoxedCodec(Box::new(Box::new(codec)))
    }
}

impl Deref for BoxedCodec {
    type Target = dyn OwnCodec;
    fn deref(&self) -> &dyn OwnCodec {
        &**self.0
    }
}

impl DerefMut for BoxedCodec {
    fn deref_mut(&mut self) -> &mut dyn OwnCodec {
        &mut **self.0
    }
}

/// A [`Codec`] that can be cloned behind a pointer. Every [`Clone`] codec is one.
pub trait OwnCodec: Codec {
    /// A clone of it.
    fn boxed(&self) -> Box<dyn OwnCodec>;
}

impl<C: Codec + Clone> OwnCodec for C {
    fn boxed(&self) -> Box<dyn OwnCodec> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn OwnCodec> {
    fn clone(&self) -> Box<dyn OwnCodec> {
        // The codec's, not the box's.
        (**self).boxed()
    }
}

macro_rules! each {
    ($framing:expr, $codec:ident => $what:expr) => {
        match $framing {
            Framing::Raw($codec) => $what,
            Framing::Lines($codec) => $what,
            Framing::LengthPrefixed($codec) => $what,
            Framing::Fixed($codec) => $what,
            #[cfg(feature = "websocket")]
            Framing::WebSocket($codec) => $what,
            Framing::Own($codec) => $what,
        }
    };
}

impl Framing {
    /// Whether it makes the same frames as another. Your own codecs cannot be compared and answer
    /// `false`.
    pub(crate) fn is_same(&self, other: &Framing) -> bool {
        match (self, other) {
            (Framing::Raw(a), Framing::Raw(b)) => a == b,
            (Framing::Lines(a), Framing::Lines(b)) => a == b,
            (Framing::LengthPrefixed(a), Framing::LengthPrefixed(b)) => a == b,
            (Framing::Fixed(a), Framing::Fixed(b)) => a == b,
            #[cfg(feature = "websocket")]
            (Framing::WebSocket(a), Framing::WebSocket(b)) => a.is_same(b),
            _ => false,
        }
    }

    pub(crate) fn is_websocket(&self) -> bool {
        #[cfg(feature = "websocket")]
        return matches!(self, Framing::WebSocket(_));
        #[cfg(not(feature = "websocket"))]
        false
    }

    /// The frame of a packet, if that is a header and the packet unchanged. Otherwise
    /// [`encode`](Codec::encode) makes it.
    #[inline]
    pub(crate) fn frame<'p>(&self, packet: &'p [u8]) -> Option<Result<Frame<'p>, FrameError>> {
        // Length-prefixed packets are the shortest: a comparison finds them faster than a jump
        // table.
        if let Framing::LengthPrefixed(codec) = self {
            return Some(codec.frame(packet));
        }
        match self {
            Framing::Raw(_) => Some(Ok(Frame::of(packet))),
            Framing::Fixed(codec) => Some(codec.frame(packet)),
            #[cfg(feature = "websocket")]
            Framing::WebSocket(codec) => codec.frame(packet),
            _ => None,
        }
    }

    /// The codec, if its packets can be seen at once and it keeps nothing of what it has seen.
    #[inline]
    pub(crate) fn plain(&self) -> Option<Plain> {
        match self {
            Framing::LengthPrefixed(codec) => Some(Plain::LengthPrefixed(*codec)),
            Framing::Raw(codec) => Some(Plain::Raw(*codec)),
            Framing::Fixed(codec) => Some(Plain::Fixed(*codec)),
            _ => None,
        }
    }

    /// Bytes of an unfinished packet that a codec of your own has taken. Built-in codecs take none.
    /// `Err`: it panicked.
    #[inline(always)]
    pub(crate) fn buffered_by_own(&self) -> std::thread::Result<usize> {
        match self {
            Framing::Own(codec) => contained(|| codec.buffered()),
            #[cfg(feature = "websocket")]
            Framing::WebSocket(codec) => Ok(codec.buffered()),
            _ => Ok(0),
        }
    }

    /// Whether it has no packet when nothing has come. A codec of your own may have one.
    #[inline]
    pub(super) fn gives_nothing_of_nothing(&self) -> bool {
        !matches!(self, Framing::Own(_))
    }

    /// The first packet and what is behind its frame, if that can be seen at once. Otherwise
    /// [`decode`](Codec::decode) finds out.
    #[inline]
    pub(super) fn first_packet<'p>(&self, bytes: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        self.plain()?.first_packet(bytes)
    }
}

/// A [`Framing`] that finds packets by looking at their beginning alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plain {
    LengthPrefixed(LengthPrefixed),
    Raw(Raw),
    Fixed(Fixed),
}

impl Plain {
    /// The first packet and what is behind its frame, if that can be seen at once.
    #[inline(always)]
    pub(crate) fn first_packet<'p>(&self, bytes: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        // Length-prefixed packets are the shortest: a comparison finds them faster than a jump
        // table.
        if let Plain::LengthPrefixed(codec) = self {
            return codec.first_packet(bytes);
        }
        match self {
            Plain::Raw(codec) => codec.first_packet(bytes),
            Plain::Fixed(codec) => codec.first_packet(bytes),
            Plain::LengthPrefixed(_) => None,
        }
    }
}

impl Codec for Framing {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        each!(self, codec => codec.decode(bytes))
    }

    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        each!(self, codec => codec.encode(packet, out))
    }

    fn max_bytes(&self) -> usize {
        each!(self, codec => codec.max_bytes())
    }

    fn end(&mut self, rest: &[u8]) -> Result<Option<Decoded>, FrameError> {
        each!(self, codec => codec.end(rest))
    }

    fn buffered(&self) -> usize {
        each!(self, codec => codec.buffered())
    }

    fn check(&self) -> Result<(), String> {
        each!(self, codec => codec.check())?;
        match self.max_bytes() {
            1..=MOST_FRAME_BYTES => Ok(()),
            bytes => Err(format!("a codec with frames of at most {bytes} bytes: must be 1 to {MOST_FRAME_BYTES}")),
        }
    }

    fn into_framing(self) -> Framing {
        self
    }
}

macro_rules! built_in {
    ($codec:ident, $($more:item)*) => {
        impl Codec for $codec {
            #[inline]
            fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
                $codec::decode(self, bytes)
            }

            fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
                $codec::encode(self, packet, out)
            }

            fn max_bytes(&self) -> usize {
                $codec::max_bytes(self)
            }

            fn check(&self) -> Result<(), String> {
                $codec::check(self)
            }

            fn into_framing(self) -> Framing {
                Framing::$codec(self)
            }

            $($more)*
        }
    };
}

built_in!(LengthPrefixed,);
built_in!(
    Lines,
    fn end(&mut self, rest: &[u8]) -> Result<Option<Decoded>, FrameError> {
        Lines::end(self, rest)
    }
);

impl Default for Framing {
    fn default() -> Framing {
        Framing::Raw(Raw)
    }
}

/// No framing: a packet is whatever arrived at once, at least 1 byte and at most 16 KiB. It is sent
/// unchanged. Packet boundaries have no meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

/// The longest packet of [`Raw`]: the usual receive buffer.
const MOST_RAW_BYTES: usize = 16 * 1024;

impl Raw {
    #[inline]
    fn first_packet<'p>(&self, bytes: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        if bytes.is_empty() { None } else { Some(bytes.split_at(bytes.len().min(MOST_RAW_BYTES))) }
    }
}

impl Codec for Raw {
    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        Ok(match bytes.len().min(MOST_RAW_BYTES) {
            0 => Decoded::Need(1),
            len => Decoded::Frame { packet: 0..len, consumed: len },
        })
    }

    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        out.extend_from_slice(packet);
        Ok(())
    }

    fn max_bytes(&self) -> usize {
        MOST_RAW_BYTES
    }

    fn into_framing(self) -> Framing {
        Framing::Raw(self)
    }
}

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
    fn frame<'p>(&self, packet: &'p [u8]) -> Result<Frame<'p>, FrameError> {
        match packet.len() {
            len if len == self.bytes => Ok(Frame::of(packet)),
            len if len > self.bytes => Err(FrameError::TooLarge { limit: self.bytes }),
            _ => Err(FrameError::Malformed("a packet shorter than the fixed length")),
        }
    }

    /// The first packet and the rest, if all of the packet has come.
    #[inline]
    fn first_packet<'p>(&self, bytes: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        bytes.split_at_checked(self.bytes)
    }
}

impl Codec for Fixed {
    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        if bytes.len() < self.bytes {
            return Ok(Decoded::Need(self.bytes));
        }
        Ok(Decoded::Frame { packet: 0..self.bytes, consumed: self.bytes })
    }

    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.frame(packet)?.append_to(out);
        Ok(())
    }

    fn max_bytes(&self) -> usize {
        self.bytes
    }

    fn into_framing(self) -> Framing {
        Framing::Fixed(self)
    }

    fn check(&self) -> Result<(), String> {
        match self.bytes {
            1..=MOST_FRAME_BYTES => Ok(()),
            bytes => Err(format!("frames of {bytes} bytes: must be 1 to {MOST_FRAME_BYTES}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_pays_two_words_for_its_codec() {
        assert!(size_of::<Framing>() <= 16, "{}", size_of::<Framing>());
    }
}
