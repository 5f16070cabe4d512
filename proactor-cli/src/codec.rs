//! The `--codec` option and the limits of packet sizes.

use std::fmt;
use std::str::FromStr;

use proactor::codec::{Codec, Fixed, Framing, LengthPrefixed, Lines, Raw};

use crate::values;

/// `--help` of a server's `--codec`.
pub(crate) const HELP: &str = "How packets are framed, in both directions:\n  raw      no framing: a packet is the bytes that arrived together\n  lines    \
                               lines; LF or CR LF is accepted, LF is sent\n  length   a 4-byte big-endian length, then the packet\n  length2  a 2-byte \
                               big-endian length, then the packet\n  fixed:N  packets of N bytes\nA client that sends an invalid or oversized frame is \
                               disconnected; others are not affected.";

/// `--help` of the load generator's `--codec`.
pub(crate) const BENCH_HELP: &str = "How packets are framed, in both directions:\n  raw      no framing: an answer has as many bytes as its message\n  lines    \
                                     lines that end in LF; answers may end in CR LF\n  length   a 4-byte big-endian length, then the packet\n  length2  a \
                                     2-byte big-endian length, then the packet\n  fixed:N  packets of N bytes";

/// Longest frame, whatever the size of the outbox.
const MOST_FRAME: usize = 16 << 20;

/// The longest packet of `--max-frame`.
pub(crate) fn frame_bytes(text: &str) -> Result<usize, String> {
    match values::at_least_one_byte(text)? {
        bytes if bytes > MOST_FRAME => Err(format!("must be at most {}MiB", MOST_FRAME >> 20)),
        bytes => Ok(bytes),
    }
}

/// Default limits of a packet.
const USUAL_LINE: usize = 8 * 1024;
const USUAL_PACKET: usize = 64 * 1024;

/// CR LF.
const LINE_END: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodecChoice {
    Raw,
    Lines,
    Length,
    Length2,
    Fixed(usize),
}

impl FromStr for CodecChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<CodecChoice, String> {
        Ok(match text {
            "raw" => CodecChoice::Raw,
            "lines" => CodecChoice::Lines,
            "length" => CodecChoice::Length,
            "length2" => CodecChoice::Length2,
            "fixed" => return Err("add the number of bytes: fixed:64".into()),
            _ => match text.strip_prefix("fixed:").map(str::parse) {
                Some(Ok(bytes @ 1..=MOST_FRAME)) => CodecChoice::Fixed(bytes),
                Some(Ok(1..)) => return Err(format!("fixed:N takes at most {MOST_FRAME} bytes")),
                Some(Ok(0) | Err(_)) => {
                    return Err(format!(
                        "fixed:N takes a number of bytes, at least 1 and at most {MOST_FRAME}: fixed:64"
                    ));
                }
                None => return Err("use raw, lines, length, length2 or fixed:N (fixed:64)".into()),
            },
        })
    }
}

impl CodecChoice {
    /// Whether the codec can frame an empty packet, which a heartbeat needs.
    pub(crate) fn has_empty_packets(self) -> bool {
        matches!(self, CodecChoice::Lines | CodecChoice::Length | CodecChoice::Length2)
    }

    /// The codec for a server. Its longest frame fits into half of the outbox, so that every packet
    /// can be answered with one of the same size.
    pub(crate) fn framing(self, max_frame: Option<usize>, outbox_bytes: usize) -> Result<Framing, String> {
        let room = (outbox_bytes / 2).min(MOST_FRAME);
        let too_long = |what: String, frame: usize| {
            let remedy = match frame > MOST_FRAME {
                true => format!("a frame has at most {MOST_FRAME} bytes"),
                false => format!(
                    "the frame must fit into half of --outbox-bytes {outbox_bytes}: raise that to {} or use shorter packets",
                    2 * frame
                ),
            };
            Err(format!("{what}: {remedy}"))
        };
        let (header, usual) = match self {
            CodecChoice::Raw | CodecChoice::Fixed(_) if max_frame.is_some() => {
                return Err(
                    "--max-frame is for the codecs lines, length and length2: leave it out or choose another --codec"
                        .into(),
                );
            }
            CodecChoice::Fixed(bytes) if bytes > room => return too_long(format!("--codec fixed:{bytes}"), bytes),
            CodecChoice::Raw | CodecChoice::Fixed(_) => return Ok(self.of_packets(room)),
            CodecChoice::Lines => (LINE_END, USUAL_LINE),
            CodecChoice::Length => (size_of::<u32>(), USUAL_PACKET),
            CodecChoice::Length2 => (size_of::<u16>(), usize::from(u16::MAX)),
        };
        let most = match max_frame {
            Some(bytes) if self == CodecChoice::Length2 && bytes > usize::from(u16::MAX) => {
                return Err(format!(
                    "--max-frame {bytes}: a 2-byte length holds at most {}; use --codec length for longer packets",
                    u16::MAX
                ));
            }
            Some(bytes) if bytes > room - header => {
                return too_long(format!("--max-frame {bytes}"), bytes.saturating_add(header));
            }
            Some(bytes) => bytes,
            None => usual.min(room - header),
        };
        Ok(self.of_packets(most))
    }

    /// The codec for a client that sends packets of `size` bytes and accepts answers of up to
    /// `most`.
    pub(crate) fn for_packets(self, size: usize, most: usize) -> Result<Framing, String> {
        let limit = match self {
            CodecChoice::Raw | CodecChoice::Fixed(_) => MOST_FRAME,
            CodecChoice::Lines => MOST_FRAME - LINE_END,
            CodecChoice::Length => MOST_FRAME - size_of::<u32>(),
            CodecChoice::Length2 => usize::from(u16::MAX),
        };
        if size > limit {
            return Err(match self {
                CodecChoice::Length2 => {
                    format!("a 2-byte length holds at most {limit}; use --codec length for longer packets")
                }
                _ => format!("a packet has at most {limit} bytes"),
            });
        }
        Ok(self.of_packets(most.min(limit)))
    }

    /// The codec for packets of at most so many bytes.
    fn of_packets(self, most: usize) -> Framing {
        match self {
            CodecChoice::Raw => Raw.into_framing(),
            CodecChoice::Lines => Lines::new().max_line(most).into_framing(),
            CodecChoice::Length => LengthPrefixed::u32().max_packet(most).into_framing(),
            CodecChoice::Length2 => LengthPrefixed::u16().max_packet(most).into_framing(),
            CodecChoice::Fixed(bytes) => Fixed::new(bytes).into_framing(),
        }
    }

    /// Bytes that the codec adds to a packet.
    pub(crate) fn overhead(self) -> usize {
        match self {
            CodecChoice::Raw | CodecChoice::Fixed(_) => 0,
            CodecChoice::Lines => 1,
            CodecChoice::Length => size_of::<u32>(),
            CodecChoice::Length2 => size_of::<u16>(),
        }
    }
}

impl fmt::Display for CodecChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecChoice::Raw => f.write_str("raw"),
            CodecChoice::Lines => f.write_str("lines"),
            CodecChoice::Length => f.write_str("length"),
            CodecChoice::Length2 => f.write_str("length2"),
            CodecChoice::Fixed(bytes) => write!(f, "fixed:{bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTBOX: usize = 256 * 1024;

    fn choice(text: &str) -> CodecChoice {
        text.parse().unwrap()
    }

    #[test]
    fn help_lists_every_codec() {
        for name in ["raw", "lines", "length", "length2"] {
            assert!(choice(name).framing(None, OUTBOX).is_ok() && HELP.contains(&format!("  {name} ")), "{name}");
        }
        assert_eq!(choice("fixed:64"), CodecChoice::Fixed(64));
        for (text, expected) in
            [("line", "lines"), ("fixed", "fixed:64"), ("fixed:0", "fixed:64"), ("fixed:x", "fixed:64")]
        {
            let error = text.parse::<CodecChoice>().unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_client_may_send_the_longest_packets() {
        for (name, longest) in
            [("raw", MOST_FRAME), ("lines", MOST_FRAME - 2), ("length", MOST_FRAME - 4), ("length2", 65_535)]
        {
            let framing = choice(name).for_packets(longest, longest).unwrap();
            assert!(framing.check().is_ok(), "{name}");
            let error = choice(name).for_packets(longest + 1, longest + 1).unwrap_err();
            assert!(error.contains(&longest.to_string()), "{error}");
            assert!(BENCH_HELP.contains(&format!("  {name} ")) && choice(name).to_string() == name);
        }
        assert_eq!(choice("fixed:9").to_string(), "fixed:9");
    }

    #[test]
    fn every_frame_fits_into_half_of_the_outbox() {
        for outbox in [64 * 1024, 100_001, OUTBOX, 1 << 30] {
            for name in ["raw", "lines", "length", "length2", "fixed:32768"] {
                let framing = choice(name).framing(None, outbox).unwrap();
                assert!(framing.check().is_ok() && framing.max_bytes() <= outbox / 2, "{name} {framing:?} {outbox}");
            }
        }
        for (name, header) in [("lines", 2), ("length", 4)] {
            let longest = OUTBOX / 2 - header;
            assert!(choice(name).framing(Some(longest), OUTBOX).is_ok());
            let error = choice(name).framing(Some(longest + 1), OUTBOX).unwrap_err();
            assert!(
                error.contains(&format!("--max-frame {}:", longest + 1)) && error.contains("--outbox-bytes 262144"),
                "{error}"
            );
            assert!(error.contains(&format!("raise that to {}", OUTBOX + 2)), "{error}");
            assert!(choice(name).framing(Some(longest + 1), OUTBOX + 2).is_ok());
        }
        let error = choice("fixed:200000").framing(None, OUTBOX).unwrap_err();
        assert!(error.contains("--codec fixed:200000") && error.contains("raise that to 400000"), "{error}");
        let error = choice("length").framing(Some(usize::MAX), 1 << 30).unwrap_err();
        assert!(error.contains("at most 16777216 bytes"), "{error}");
    }

    #[test]
    fn max_frame_is_refused_for_codecs_without_one() {
        for name in ["raw", "fixed:10"] {
            assert!(choice(name).framing(Some(10), OUTBOX).unwrap_err().contains("--max-frame"));
        }
        let error = choice("length2").framing(Some(65_536), OUTBOX).unwrap_err();
        assert!(error.contains("65535") && error.contains("--codec length"), "{error}");
    }
}
