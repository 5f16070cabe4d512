//! Redis's wire format: a codec that finds commands, and their arguments.

use proactor::codec::{Codec, Decoded, FrameError};

/// Bytes of the longest command.
const COMMAND_BYTES: usize = 1 << 20;
/// Arguments of a command.
const MOST_ARGUMENTS: usize = 1024;

/// A packet is a whole command in its wire format; what is sent is a whole reply.
#[derive(Clone, Default)]
pub(crate) struct Resp;

/// The number in a line such as `$12\r\n`, and where the line ends. `None`: it is not all there.
fn number(bytes: &[u8], from: usize, kind: u8) -> Result<Option<(usize, usize)>, FrameError> {
    let Some(line) = bytes.get(from..) else { return Ok(None) };
    let Some((&first, rest)) = line.split_first() else { return Ok(None) };
    if first != kind {
        return Err(FrameError::Malformed("a command is an array of bulk strings"));
    }
    let mut number = 0;
    for (at, byte) in rest.iter().enumerate().take(9) {
        match byte {
            b'0'..=b'9' => number = number * 10 + usize::from(byte - b'0'),
            b'\r' if at > 0 => return Ok((rest.len() > at + 1).then_some((number, from + at + 3))),
            _ => break,
        }
    }
    if rest.len() < 9 && rest.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    Err(FrameError::Malformed("a length has 1 to 8 digits"))
}

impl Codec for Resp {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        let more = Ok(Decoded::Need(bytes.len() + 1));
        match bytes.first() {
            None => return more,
            Some(b'*') => {}
            // An inline command: words in a line.
            Some(_) => {
                return match bytes.iter().take(COMMAND_BYTES).position(|byte| *byte == b'\n') {
                    Some(end) => Ok(Decoded::Frame { packet: 0..end, consumed: end + 1 }),
                    None => more,
                };
            }
        }
        let Some((count, mut at)) = number(bytes, 0, b'*')? else { return more };
        if count > MOST_ARGUMENTS {
            return Err(FrameError::Malformed("a command has too many arguments"));
        }
        for _ in 0..count {
            let Some((len, begin)) = number(bytes, at, b'$')? else { return more };
            at = begin + len + 2;
            if at > COMMAND_BYTES {
                return Err(FrameError::TooLarge { limit: COMMAND_BYTES });
            }
        }
        if at > bytes.len() { Ok(Decoded::Need(at)) } else { Ok(Decoded::Frame { packet: 0..at, consumed: at }) }
    }

    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        out.extend_from_slice(packet);
        Ok(())
    }

    fn max_bytes(&self) -> usize {
        COMMAND_BYTES
    }
}

/// The arguments of a command, one after the other.
pub(crate) enum Arguments<'p> {
    Array(&'p [u8], usize),
    Inline(&'p [u8]),
}

impl<'p> Arguments<'p> {
    pub(crate) fn of(packet: &'p [u8]) -> Arguments<'p> {
        match number(packet, 0, b'*') {
            Ok(Some((_, begin))) => Arguments::Array(packet, begin),
            _ => Arguments::Inline(packet),
        }
    }
}

impl<'p> Iterator for Arguments<'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<&'p [u8]> {
        match self {
            Arguments::Array(packet, at) => {
                let (len, begin) = number(packet, *at, b'$').ok().flatten()?;
                *at = begin + len + 2;
                packet.get(begin..begin + len)
            }
            Arguments::Inline(line) => {
                let word = line.trim_ascii_start();
                let end = word.iter().position(u8::is_ascii_whitespace).unwrap_or(word.len());
                *line = &word[end..];
                (end > 0).then_some(&word[..end])
            }
        }
    }
}

/// How many arguments a command has, its name included.
pub(crate) fn count(packet: &[u8]) -> usize {
    Arguments::of(packet).count()
}
