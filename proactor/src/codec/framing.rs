//! The codec that one session holds: a built-in one in place, or one's own in a box.

use std::fmt;

use super::{Codec, Decoded, Fixed, Frame, FrameError, LengthPrefixed, Lines, MOST_FRAME_BYTES, Raw};

/// A codec as a session holds it: for the built-in ones no allocation and no virtual call. Any [`Codec`] becomes one by
/// [`into_framing`](Codec::into_framing), so that one can be chosen at run time.
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
    /// One's own.
    Own(Box<dyn OwnCodec>),
}

/// A [`Codec`] that can be cloned behind a pointer: every one that is [`Clone`].
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
            Framing::Own($codec) => $what,
        }
    };
}

impl Framing {
    /// The frame of a packet if that is a header and the packet as it is. Otherwise [`encode`](Codec::encode) makes it.
    #[inline]
    pub(crate) fn frame<'p>(&self, packet: &'p [u8]) -> Option<Result<Frame<'p>, FrameError>> {
        // The one with the shortest packets is found by a comparison, not by a jump through a table.
        if let Framing::LengthPrefixed(codec) = self {
            return Some(codec.frame(packet));
        }
        match self {
            Framing::Raw(_) => Some(Ok(Frame::of(packet))),
            Framing::Fixed(codec) => Some(codec.frame(packet)),
            _ => None,
        }
    }

    /// The first packet and what is behind its frame, if that can be seen at once. Otherwise [`decode`](Codec::decode) knows.
    #[inline]
    pub(super) fn first_packet<'p>(&self, bytes: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        if let Framing::LengthPrefixed(codec) = self {
            return codec.first_packet(bytes);
        }
        match self {
            Framing::Raw(codec) => codec.first_packet(bytes),
            Framing::Fixed(codec) => codec.first_packet(bytes),
            _ => None,
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

impl Default for Framing {
    fn default() -> Framing {
        Framing::Raw(Raw)
    }
}

impl fmt::Debug for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Framing::Raw(codec) => codec.fmt(f),
            Framing::Lines(codec) => codec.fmt(f),
            Framing::LengthPrefixed(codec) => codec.fmt(f),
            Framing::Fixed(codec) => codec.fmt(f),
            Framing::Own(_) => f.write_str("Own"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_pays_three_words_for_its_codec() {
        assert!(size_of::<Framing>() <= 24, "{}", size_of::<Framing>());
    }
}
