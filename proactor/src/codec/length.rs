//! Frames that begin with their length.

use super::decoded::{Decoded, Frame, FrameError, LONGEST_HEADER, MOST_FRAME_BYTES};

/// Frames that begin with their length: 1, 2, 4 or 8 bytes, big-endian by default. The length
/// counts what follows or, after [`counting_header`](LengthPrefixed::counting_header), the whole
/// frame.
///
/// A frame whose length is over the maximum is refused when its length is seen. An empty packet is
/// a packet.
///
/// ```
/// use proactor::codec::{Codec, Decoded, FrameError, LengthPrefixed};
///
/// let mut codec = LengthPrefixed::u16().max_packet(1000);
/// assert_eq!(codec.decode(b"\x00\x03abc"), Ok(Decoded::Frame { packet: 2..5, consumed: 5 }));
/// assert_eq!(codec.decode(b"\x00\x03a"), Ok(Decoded::Need(5)));
/// assert_eq!(codec.decode(b"\xff\xff"), Err(FrameError::TooLarge { limit: 1000 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthPrefixed {
    max: u32,
    /// The user has set `max`. Otherwise it is the usual one, or what the length can express.
    max_is_set: bool,
    width: u8,
    little: bool,
    /// What the length counts beyond the packet: nothing, or its own bytes.
    counted: u8,
}

const USUAL_MAX: u64 = 64 * 1024;
const WIDEST: usize = LONGEST_HEADER;
const MOST: usize = MOST_FRAME_BYTES - WIDEST;

impl LengthPrefixed {
    fn new(width: u8) -> LengthPrefixed {
        LengthPrefixed { max: 0, max_is_set: false, width, little: false, counted: 0 }.with_usual_max()
    }

    fn with_usual_max(mut self) -> LengthPrefixed {
        if !self.max_is_set {
            self.max = self.tellable().min(USUAL_MAX) as u32;
        }
        self
    }

    /// A length of 1 byte; packets of at most 255 bytes.
    pub fn u8() -> LengthPrefixed {
        LengthPrefixed::new(1)
    }

    /// A length of 2 bytes; packets of at most 65,535 bytes.
    pub fn u16() -> LengthPrefixed {
        LengthPrefixed::new(2)
    }

    /// A length of 4 bytes; packets of at most 64 KiB by default.
    pub fn u32() -> LengthPrefixed {
        LengthPrefixed::new(4)
    }

    /// A length of 8 bytes; packets of at most 64 KiB by default.
    pub fn u64() -> LengthPrefixed {
        LengthPrefixed::new(8)
    }

    /// The lowest byte of the length comes first.
    pub fn little_endian(mut self) -> LengthPrefixed {
        self.little = true;
        self
    }

    /// The length counts its own bytes too, so an empty packet has the length of the header. A
    /// smaller length is malformed.
    pub fn counting_header(mut self) -> LengthPrefixed {
        self.counted = self.width;
        self.with_usual_max()
    }

    /// The most bytes of a packet, without the length: what the length can express, and at most 1
    /// GiB less 8 bytes. The server checks it when it starts.
    pub fn max_packet(mut self, bytes: usize) -> LengthPrefixed {
        // A value that does not fit stays far out of range.
        self.max = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.max_is_set = true;
        self
    }

    fn max(&self) -> usize {
        self.max as usize
    }

    pub(super) fn width(&self) -> usize {
        usize::from(self.width)
    }

    fn counted(&self) -> u64 {
        self.counted.into()
    }

    /// The frame of a packet, if it has one.
    #[inline]
    pub(super) fn frame<'p>(&self, packet: &'p [u8]) -> Result<Frame<'p>, FrameError> {
        if packet.len() > self.max() {
            return Err(FrameError::TooLarge { limit: self.max() });
        }
        let length = packet.len() as u64 + self.counted();
        let header = match self.little {
            true => length.to_le_bytes(),
            false => (length << self.unused_bits()).to_be_bytes(),
        };
        Ok(Frame::new(header, self.width, packet))
    }

    /// The first packet and what is behind its frame, if [`decode`](super::Codec::decode) would
    /// find it and at least 8 bytes follow its beginning.
    #[inline]
    pub(super) fn first_packet<'p>(&self, bytes: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        // As many bytes as the widest length: a copy whose length the compiler does not know is a
        // call.
        let length = self.packet_bytes(*bytes.first_chunk()?).ok()?;
        bytes[self.width()..].split_at_checked(length)
    }

    /// The bytes of a packet whose frame begins with these bytes. Those behind the length do not
    /// count.
    #[inline]
    fn packet_bytes(&self, header: [u8; WIDEST]) -> Result<usize, FrameError> {
        let unused = self.unused_bits();
        let length = match self.little {
            true => u64::from_le_bytes(header) << unused >> unused,
            false => u64::from_be_bytes(header) >> unused,
        };
        let Some(length) = length.checked_sub(self.counted()) else {
            return Err(FrameError::Malformed("a length that counts itself is less than its own bytes"));
        };
        if length > self.max() as u64 {
            return Err(FrameError::TooLarge { limit: self.max() });
        }
        Ok(length as usize)
    }

    #[inline]
    fn unused_bits(&self) -> u32 {
        8 * (WIDEST - self.width()) as u32
    }

    /// The longest packet that the length can express.
    fn tellable(&self) -> u64 {
        (u64::MAX >> (64 - 8 * u32::from(self.width))) - self.counted()
    }

    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        let width = self.width();
        let Some(told) = bytes.get(..width) else { return Ok(Decoded::Need(width)) };
        let mut header = [0; WIDEST];
        header[..width].copy_from_slice(told);
        let end = width + self.packet_bytes(header)?;
        Ok(if bytes.len() < end { Decoded::Need(end) } else { Decoded::Frame { packet: width..end, consumed: end } })
    }

    pub(super) fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.frame(packet)?.append_to(out);
        Ok(())
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.width() + self.max()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let (max, width, most) = (self.max(), self.width, self.tellable().min(MOST as u64));
        if !(1..=most).contains(&(max as u64)) {
            let unit = if width == 1 { "byte" } else { "bytes" };
            return Err(format!(
                "packets of at most {max} bytes behind a length of {width} {unit}: must be 1 to {most}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_told() {
        let frame = |mut codec: LengthPrefixed| {
            let mut out = Vec::new();
            codec.encode(b"abc", &mut out).unwrap();
            out
        };
        assert_eq!(frame(LengthPrefixed::u8()), b"\x03abc");
        assert_eq!(frame(LengthPrefixed::u16()), b"\0\x03abc");
        assert_eq!(frame(LengthPrefixed::u16().little_endian()), b"\x03\0abc");
        assert_eq!(frame(LengthPrefixed::u32()), b"\0\0\0\x03abc");
        assert_eq!(frame(LengthPrefixed::u32().counting_header()), b"\0\0\0\x07abc");
        assert_eq!(frame(LengthPrefixed::u64()), b"\0\0\0\0\0\0\0\x03abc");
        assert_eq!(frame(LengthPrefixed::u64().little_endian().counting_header()), b"\x0b\0\0\0\0\0\0\0abc");
    }

    #[test]
    fn a_length_over_the_maximum_is_refused_with_the_header_alone() {
        let mut codec = LengthPrefixed::u32().max_packet(10);
        assert_eq!(codec.decode(&[0, 0, 0, 10]), Ok(Decoded::Need(14)));
        assert_eq!(codec.decode(&[0, 0, 0, 11]), Err(FrameError::TooLarge { limit: 10 }));
        assert_eq!(LengthPrefixed::u64().decode(&[255; 8]), Err(FrameError::TooLarge { limit: USUAL_MAX as usize }));
        assert_eq!(codec.encode(&[0; 11], &mut Vec::new()), Err(FrameError::TooLarge { limit: 10 }));
    }

    #[test]
    fn a_length_that_counts_itself_is_no_less_than_its_bytes() {
        let mut codec = LengthPrefixed::u16().counting_header();
        assert!(matches!(codec.decode(&[0, 1]), Err(FrameError::Malformed(_))));
        assert_eq!(codec.decode(&[0, 2]), Ok(Decoded::Frame { packet: 2..2, consumed: 2 }));
    }

    #[test]
    fn the_maximum_fits_into_the_length_or_the_error_says_what_does() {
        for codec in [LengthPrefixed::u8(), LengthPrefixed::u16(), LengthPrefixed::u32(), LengthPrefixed::u64()] {
            codec.check().unwrap();
            codec.counting_header().check().unwrap();
            codec.max_packet(0).check().unwrap_err();
        }
        assert!(LengthPrefixed::u16().max_packet(65_535).check().is_ok());
        let error = LengthPrefixed::u16().max_packet(65_536).check().unwrap_err();
        assert!(error.contains("65536") && error.contains("must be 1 to 65535"), "{error}");
        let counted = LengthPrefixed::u8().counting_header().max_packet(255).check().unwrap_err();
        assert!(counted.contains("must be 1 to 254"), "{counted}");
        assert!(LengthPrefixed::u64().max_packet(usize::MAX).check().is_err());
    }
}
