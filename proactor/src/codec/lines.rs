//! Lines of text, or of anything without a line feed in it.

use super::decoded::{Decoded, FrameError, MOST_FRAME_BYTES};

/// Lines that end in LF or CR LF; both are understood. The packet is the line without its end.
/// Lines are sent with LF or, after [`crlf`](Lines::crlf), with CR LF.
///
/// A line longer than the maximum, 8 KiB by default, is refused as soon as so many bytes without an
/// end are seen. If the stream ends without an end of line, the rest is a line. Bytes need not be
/// text.
///
/// A packet with a line feed in it is refused when it is sent, since it would arrive as two. A
/// packet that ends in CR is sent with CR LF, so that it arrives unchanged.
///
/// ```
/// use proactor::codec::{Codec, Decoded, Lines};
///
/// let mut codec = Lines::new().crlf();
/// assert_eq!(codec.decode(b"one\r\ntwo"), Ok(Decoded::Frame { packet: 0..3, consumed: 5 }));
/// assert_eq!(codec.decode(b"two"), Ok(Decoded::Need(4)));
/// let mut out = Vec::new();
/// codec.encode(b"three", &mut out).unwrap();
/// assert_eq!(out, b"three\r\n");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    max: u32,
    /// So many first bytes have been searched, and have no end of line. So a long line in many
    /// pieces is searched once.
    searched: u32,
    crlf: bool,
}

const USUAL_MAX: u32 = 8 * 1024;
/// CR and LF.
const LONGEST_END: usize = 2;
const MOST: usize = MOST_FRAME_BYTES - LONGEST_END;

impl Lines {
    /// Lines of at most 8 KiB, sent with LF.
    pub fn new() -> Lines {
        Lines { max: USUAL_MAX, searched: 0, crlf: false }
    }

    /// The most bytes of a line, without its end: 1 to 1 GiB less the end. It holds for lines that
    /// come and for lines that are sent. The server checks it when it starts.
    pub fn max_line(mut self, bytes: usize) -> Lines {
        // A value that does not fit stays far out of range.
        self.max = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }

    /// Sends lines with CR LF.
    pub fn crlf(mut self) -> Lines {
        self.crlf = true;
        self
    }

    fn max(&self) -> usize {
        self.max as usize
    }

    fn search(&mut self, bytes: &[u8]) -> Option<usize> {
        let from = (self.searched as usize).min(bytes.len());
        let found = memchr::memchr(b'\n', &bytes[from..]).map(|at| from + at);
        #[cfg(test)]
        tests::LOOKED_AT.with(|looked| looked.set(looked.get() + found.map_or(bytes.len(), |at| at + 1) - from));
        found
    }

    fn line(&self, end: usize, bytes: &[u8], consumed: usize) -> Result<Decoded, FrameError> {
        let end = if bytes[..end].ends_with(b"\r") { end - 1 } else { end };
        if end > self.max() {
            return Err(FrameError::TooLarge { limit: self.max() });
        }
        Ok(Decoded::Frame { packet: 0..end, consumed })
    }

    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        if let Some(end) = self.search(bytes) {
            self.searched = 0;
            return self.line(end, bytes, end + 1);
        }
        let max = self.max();
        // One byte over the maximum may be the CR of an end of line.
        if bytes.len() > max + 1 || bytes.len() == max + 1 && bytes[max] != b'\r' {
            return Err(FrameError::TooLarge { limit: max });
        }
        self.searched = bytes.len() as u32;
        Ok(Decoded::Need(bytes.len() + 1))
    }

    pub(super) fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if packet.len() > self.max() {
            return Err(FrameError::TooLarge { limit: self.max() });
        }
        if memchr::memchr(b'\n', packet).is_some() {
            return Err(FrameError::Malformed("a line with a line feed within"));
        }
        out.extend_from_slice(packet);
        out.extend_from_slice(if self.crlf || packet.ends_with(b"\r") { b"\r\n" } else { b"\n" });
        Ok(())
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.max() + LONGEST_END
    }

    pub(super) fn end(&mut self, rest: &[u8]) -> Result<Option<Decoded>, FrameError> {
        // A CR alone begins an end of line, and ends no line.
        if rest.is_empty() || rest == b"\r" {
            return Ok(None);
        }
        self.line(rest.len(), rest, rest.len()).map(Some)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self.max() {
            1..=MOST => Ok(()),
            max => Err(format!("lines of at most {max} bytes: must be 1 to {MOST}")),
        }
    }
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::new()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::codec::{Assembly, Codec};

    thread_local! {
        /// Bytes that this thread has searched.
        pub(super) static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn a_long_line_in_small_pieces_is_looked_at_once() {
        const LINE: usize = 1 << 18;
        let stream: Vec<u8> = std::iter::repeat_n(b'x', LINE).chain(*b"\nnext\n").collect();
        for cut in [1, 2, 63, 1000] {
            LOOKED_AT.set(0);
            let mut codec = Lines::new().max_line(LINE).into_framing();
            let (mut assembly, mut lens) = (Assembly::new(), Vec::new());
            for mut piece in stream.chunks(cut) {
                while let Some(line) = assembly.next(&mut codec, &mut piece).unwrap() {
                    lens.push(line.len());
                }
            }
            assert_eq!(lens, [LINE, 4]);
            assert_eq!(LOOKED_AT.get(), stream.len(), "in pieces of {cut}");
        }
    }

    #[test]
    fn the_maximum_is_exact_whatever_the_end_and_is_seen_as_soon_as_can_be() {
        let lines = Lines::new().max_line(4);
        let line = |bytes: &[u8]| lines.into_framing().decode(bytes);
        let too_large = Err(FrameError::TooLarge { limit: 4 });
        assert_eq!(line(b"abcd\n"), Ok(Decoded::Frame { packet: 0..4, consumed: 5 }));
        assert_eq!(line(b"abcd\r\n"), Ok(Decoded::Frame { packet: 0..4, consumed: 6 }));
        assert_eq!(line(b"abcd\r"), Ok(Decoded::Need(6)));
        assert_eq!(line(b"abcde"), too_large);
        assert_eq!(line(b"abcd\re"), too_large);
        assert_eq!(line(b"abcde\n"), too_large);
        assert_eq!(line(b"abcd\r\r\n"), too_large);
        assert_eq!(line(b"abc\r\r\n"), Ok(Decoded::Frame { packet: 0..4, consumed: 6 }));
        assert_eq!(lines.into_framing().encode(b"abcde", &mut Vec::new()), Err(FrameError::TooLarge { limit: 4 }));
    }

    #[test]
    fn a_packet_arrives_as_one_line_or_is_refused() {
        let mut out = Vec::new();
        let mut lines = Lines::new();
        assert!(matches!(lines.encode(b"two\nlines", &mut out), Err(FrameError::Malformed(_))));
        lines.encode(b"a CR\r", &mut out).unwrap();
        assert_eq!(out, b"a CR\r\r\n");
        assert_eq!(lines.decode(&out), Ok(Decoded::Frame { packet: 0..5, consumed: 7 }));
    }

    #[test]
    fn limits_out_of_range_are_named() {
        assert!(Lines::new().max_line(0).check().unwrap_err().contains("lines of at most 0 bytes"));
        assert!(Lines::new().max_line(usize::MAX).check().is_err());
        assert!(Lines::new().max_line(MOST).check().is_ok());
    }
}
