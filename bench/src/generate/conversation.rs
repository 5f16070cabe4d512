//! One connection's side of ping-pong: a message at a time, each different, each echo checked. Knows no socket.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::statistics::Random;

/// A message under way and how much of it has been sent and has come back.
pub(crate) struct Conversation {
    connection: u64,
    sequence: u64,
    message: Box<[u8]>,
    sent: usize,
    echoed: usize,
    pub(crate) begun: Instant,
}

impl Conversation {
    /// Begins with the first message, none of it sent.
    pub(crate) fn new(connection: u64, size: usize) -> Self {
        let mut conversation =
            Self { connection, sequence: 0, message: vec![0; size].into(), sent: 0, echoed: 0, begun: Instant::now() };
        conversation.fill();
        conversation
    }

    /// The next message, no byte of it predictable from another connection's or an earlier one.
    pub(crate) fn next(&mut self, now: Instant) {
        debug_assert!(self.is_complete());
        self.sequence += 1;
        self.sent = 0;
        self.echoed = 0;
        self.begun = now;
        self.fill();
    }

    fn fill(&mut self) {
        let mut random = Random::new((self.connection << 40) ^ self.sequence);
        for chunk in self.message.chunks_mut(8) {
            chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
        }
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.message[self.sent..]
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count;
        debug_assert!(self.sent <= self.message.len());
    }

    /// Checks what came back. Anything but the next bytes of what was sent is an error.
    pub(crate) fn received(&mut self, bytes: &[u8]) -> Result<()> {
        let outstanding = self.sent - self.echoed;
        ensure!(
            bytes.len() <= outstanding,
            "connection {}, message {}: {} bytes came back where {outstanding} were outstanding",
            self.connection,
            self.sequence,
            bytes.len(),
        );
        let expected = &self.message[self.echoed..self.echoed + bytes.len()];
        if bytes != expected {
            let offset = bytes.iter().zip(expected).take_while(|(a, b)| a == b);
            anyhow::bail!(
                "connection {}, message {}: byte {} of {} is not what was sent",
                self.connection,
                self.sequence,
                self.echoed + offset.count(),
                self.message.len(),
            );
        }
        self.echoed += bytes.len();
        Ok(())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.echoed == self.message.len()
    }

    pub(crate) fn describe(&self) -> String {
        format!(
            "connection {}, message {}: {} of {} bytes sent, {} echoed",
            self.connection,
            self.sequence,
            self.sent,
            self.message.len(),
            self.echoed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(connection: u64, size: usize) -> (Conversation, Vec<u8>) {
        let mut conversation = Conversation::new(connection, size);
        let bytes = conversation.unsent().to_vec();
        conversation.sent(bytes.len());
        (conversation, bytes)
    }

    #[test]
    fn an_echo_in_pieces_completes_with_its_last_byte() {
        let (mut conversation, bytes) = sent(3, 13);
        conversation.received(&bytes[..5]).unwrap();
        conversation.received(&bytes[5..12]).unwrap();
        assert!(!conversation.is_complete());
        conversation.received(&bytes[12..]).unwrap();
        assert!(conversation.is_complete());
    }

    #[test]
    fn one_wrong_bit_is_an_error_that_names_the_byte() {
        let (mut conversation, mut bytes) = sent(3, 64);
        bytes[40] ^= 1;
        let error = conversation.received(&bytes).unwrap_err().to_string();
        assert!(error.contains("byte 40 of 64"), "{error}");
    }

    #[test]
    fn more_than_was_sent_is_an_error() {
        let (mut conversation, mut bytes) = sent(3, 8);
        bytes.push(0);
        assert!(conversation.received(&bytes).is_err());
    }

    #[test]
    fn another_connections_or_the_previous_message_does_not_pass() {
        let (mut conversation, first) = sent(3, 64);
        let (_, others) = sent(4, 64);
        assert!(conversation.received(&others).is_err());
        conversation.received(&first).unwrap();
        conversation.next(Instant::now());
        conversation.sent(64);
        assert!(conversation.received(&first).is_err());
    }
}
