//! Packets: a 4-byte big-endian length, then the text. A message of the chat has its sender, its
//! number, when it was sent, and filling.

use std::time::Instant;

use anyhow::{Result, bail};
use tokio::io::AsyncReadExt;

/// The text of a message of the chat.
pub(crate) const MESSAGE_BYTES: usize = 64;
/// The longest text.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// What has been read of a connection, and not taken.
pub(crate) struct Reader<R> {
    from: R,
    bytes: Vec<u8>,
    taken: usize,
}

impl<R: AsyncReadExt + Unpin> Reader<R> {
    pub(crate) fn new(from: R) -> Reader<R> {
        Reader { from, bytes: Vec::with_capacity(MOST_BYTES), taken: 0 }
    }

    /// The next packet, if it has come whole.
    fn taken(&mut self) -> Result<Option<(usize, usize)>> {
        let rest = &self.bytes[self.taken..];
        let Some((length, text)) = rest.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MOST_BYTES {
            bail!("a packet of {length} bytes: at most {MOST_BYTES} are allowed");
        }
        if text.len() < length {
            return Ok(None);
        }
        let begin = self.taken + 4;
        self.taken = begin + length;
        Ok(Some((begin, self.taken)))
    }

    /// The text of the next packet; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<&[u8]>> {
        loop {
            if let Some((begin, end)) = self.taken()? {
                return Ok(Some(&self.bytes[begin..end]));
            }
            self.bytes.drain(..self.taken);
            self.taken = 0;
            if self.from.read_buf(&mut self.bytes).await? == 0 {
                return Ok(None);
            }
        }
    }
}

pub(crate) fn frame(text: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(&(text.len() as u32).to_be_bytes());
    into.extend_from_slice(text);
}

/// A message of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) sender: u32,
    pub(crate) number: u64,
    /// Since the load began.
    pub(crate) sent_nanos: u64,
}

impl Message {
    pub(crate) fn new(sender: u32, number: u64, begin: Instant) -> Message {
        let sent_nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Message { sender, number, sent_nanos }
    }

    pub(crate) fn encode(self) -> [u8; MESSAGE_BYTES] {
        let mut text = [self.filling(); MESSAGE_BYTES];
        text[..4].copy_from_slice(&self.sender.to_be_bytes());
        text[4..12].copy_from_slice(&self.number.to_be_bytes());
        text[12..20].copy_from_slice(&self.sent_nanos.to_be_bytes());
        text
    }

    fn filling(self) -> u8 {
        (self.number % 251) as u8
    }

    /// `None`: no message of the load, or not whole.
    pub(crate) fn parse(text: &[u8]) -> Option<Message> {
        let (sender, rest) = text.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (sent, filling) = rest.split_first_chunk()?;
        let message = Message {
            sender: u32::from_be_bytes(*sender),
            number: u64::from_be_bytes(*number),
            sent_nanos: u64::from_be_bytes(*sent),
        };
        let is_whole = text.len() == MESSAGE_BYTES && filling.iter().all(|byte| *byte == message.filling());
        is_whole.then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_it_was_and_a_damaged_one_is_none() {
        let message = Message { sender: 7, number: 300, sent_nanos: 9 };
        let mut text = message.encode();
        assert_eq!(Message::parse(&text), Some(message));
        text[MESSAGE_BYTES - 1] ^= 1;
        assert_eq!(Message::parse(&text), None);
        assert_eq!(Message::parse(&text[..10]), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn packets_that_come_in_pieces_are_whole() {
        let mut bytes = Vec::new();
        [&b"one"[..], b"", b"three"].iter().for_each(|text| frame(text, &mut bytes));
        let (mut there, here) = tokio::io::duplex(3);
        tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut there, &bytes).await });
        let mut reader = Reader::new(here);
        assert_eq!(reader.next().await.unwrap(), Some(&b"one"[..]));
        assert_eq!(reader.next().await.unwrap(), Some(&b""[..]));
        assert_eq!(reader.next().await.unwrap(), Some(&b"three"[..]));
        assert_eq!(reader.next().await.unwrap(), None);
    }
}
