//! The messages of every connection. Each can be made again at any time, so none is kept for the
//! check of its answer.

use std::sync::Arc;

use proactor::codec::{Codec, Framing};

use super::fault::{Fault, FaultKind};
use crate::random::{GAMMA, mixed};

/// What an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The message, byte for byte.
    Echo,
    /// One packet of any content.
    Any,
}

/// What messages are made of.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes that follow from the seed, the connection's number and the message's.
    Random,
    /// The same, from those that may stand in a line.
    Printable,
    /// Always these.
    Same(Arc<[u8]>),
}

#[derive(Clone, Debug)]
pub struct Script {
    pub content: Content,
    /// Bytes of a message, without what the codec adds.
    pub size: usize,
    pub codec: Framing,
    pub expected: Expected,
    pub seed: u64,
}

/// Bytes that are made at once to be compared.
const PIECE: usize = 512;

impl Script {
    /// What the messages of a connection follow from.
    pub fn key(&self, connection: usize) -> u64 {
        mixed(self.seed.wrapping_mul(GAMMA) ^ mixed(connection as u64 + 1))
    }

    /// Eight bytes of a message.
    fn word(&self, key: u64, message: u64, index: usize) -> [u8; 8] {
        let words = self.size.div_ceil(8) as u64;
        let counter = message.wrapping_mul(words).wrapping_add(index as u64);
        let mut word = mixed(key.wrapping_add(counter.wrapping_mul(GAMMA)));
        if matches!(self.content, Content::Printable) {
            // From '!' to '`': no control characters, and no end of a line.
            word = (word & 0x3f3f_3f3f_3f3f_3f3f) + 0x2121_2121_2121_2121;
        }
        word.to_le_bytes()
    }

    /// Makes the bytes of a message from `within` on.
    fn fill(&self, key: u64, message: u64, within: usize, bytes: &mut [u8]) {
        if let Content::Same(same) = &self.content {
            bytes.copy_from_slice(&same[within..within + bytes.len()]);
            return;
        }
        let mut index = within / 8;
        let (head, rest) = bytes.split_at_mut((8 - within % 8).min(bytes.len()) % 8);
        if !head.is_empty() {
            let begin = within % 8;
            head.copy_from_slice(&self.word(key, message, index)[begin..begin + head.len()]);
            index += 1;
        }
        for chunk in rest.chunks_mut(8) {
            chunk.copy_from_slice(&self.word(key, message, index)[..chunk.len()]);
            index += 1;
        }
    }

    /// Appends the frame of a message; `scratch` is where it is made.
    pub fn say(&self, key: u64, message: u64, codec: &mut Framing, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        let begin = match codec {
            Framing::Raw(_) | Framing::Fixed(_) => {
                let begin = out.len();
                out.resize(begin + self.size, 0);
                return self.fill(key, message, 0, &mut out[begin..]);
            }
            _ => out.len(),
        };
        scratch.resize(self.size, 0);
        self.fill(key, message, 0, scratch);
        let framed = codec.encode(scratch, out);
        debug_assert!(framed.is_ok() && out.len() > begin, "the plan has tried one");
    }

    /// Compares bytes with those of a message from `within` on.
    pub fn check(&self, key: u64, message: u64, within: usize, bytes: &[u8]) -> Result<(), Fault> {
        if self.expected == Expected::Any {
            return Ok(());
        }
        let mut made = [0; PIECE];
        for (at, piece) in (within..).step_by(PIECE).zip(bytes.chunks(PIECE)) {
            let made = &mut made[..piece.len()];
            self.fill(key, message, at, made);
            if made != piece {
                let wrong = made.iter().zip(piece).take_while(|(made, came)| made == came).count();
                let text = format!(
                    "message {message}: byte {} of {} came back as {:#04x} and was sent as {:#04x}",
                    at + wrong,
                    self.size,
                    piece[wrong],
                    made[wrong]
                );
                return Err(Fault::new(FaultKind::WrongAnswer, text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proactor::codec::{LengthPrefixed, Lines, Raw};

    use super::*;

    pub(crate) fn script(codec: impl Codec + Clone, content: Content, size: usize) -> Script {
        Script { content, size, codec: codec.into_framing(), expected: Expected::Echo, seed: 7 }
    }

    fn said(script: &Script, connection: usize, message: u64) -> Vec<u8> {
        let mut out = Vec::new();
        script.say(script.key(connection), message, &mut script.codec.clone(), &mut Vec::new(), &mut out);
        out
    }

    #[test]
    fn a_message_can_be_made_again_from_anywhere_within() {
        for size in [1, 7, 8, 9, 64, 1_500] {
            let script = script(Raw, Content::Random, size);
            let whole = said(&script, 3, 5);
            for within in 0..size {
                for end in [within + 1, (within + 9).min(size), size] {
                    script.check(script.key(3), 5, within, &whole[within..end]).unwrap();
                }
            }
        }
    }

    #[test]
    fn one_wrong_bit_is_named() {
        let script = script(Raw, Content::Random, 1_000);
        let mut bytes = said(&script, 0, 0);
        bytes[700] ^= 4;
        let fault = script.check(script.key(0), 0, 0, &bytes).unwrap_err();
        assert_eq!(fault.kind, FaultKind::WrongAnswer);
        assert!(fault.text.contains("byte 700 of 1000"), "{fault}");
    }

    #[test]
    fn no_two_messages_are_alike() {
        let script = script(Raw, Content::Random, 64);
        let mut all: Vec<Vec<u8>> =
            (0..50).flat_map(|c| (0..50).map(move |m| (c, m))).map(|(c, m)| said(&script, c, m)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 2_500);
        let other = Script { seed: 8, ..script.clone() };
        assert_ne!(said(&script, 0, 0), said(&other, 0, 0));
    }

    #[test]
    fn lines_are_printable_and_frames_have_their_headers() {
        let line = said(&script(Lines::new(), Content::Printable, 200), 1, 1);
        assert!(line.len() == 201 && line.ends_with(b"\n") && line[..200].iter().all(u8::is_ascii_graphic), "{line:?}");
        let frame = said(&script(LengthPrefixed::u32(), Content::Same(Arc::from(*b"hello")), 5), 1, 1);
        assert_eq!(frame, b"\0\0\0\x05hello");
    }
}
