//! An echoed connection: one message at a time, each different, every byte checked.
//! Knows no socket.

use anyhow::{Result, bail, ensure};

use crate::Random;

/// A message under way and how much of it has been sent and has come back.
pub(super) struct Message {
    connection: u64,
    sequence: u64,
    message: Box<[u8]>,
    sent: usize,
    echoed: usize,
}

impl Message {
    /// Begins with this message, none of it sent.
    pub(super) fn new(connection: u64, message: Vec<u8>) -> Self {
        Self { connection, sequence: 0, message: message.into(), sent: 0, echoed: 0 }
    }

    /// Begins with a random message.
    pub(super) fn random(connection: u64, size: usize) -> Self {
        let mut conversation = Self::new(connection, vec![0; size]);
        conversation.fill();
        conversation
    }

    /// The next message is what `change` makes of the last and of the new one's number.
    pub(super) fn next(&mut self, change: impl FnOnce(&mut [u8], u64)) {
        debug_assert!(self.is_complete());
        self.sequence += 1;
        self.sent = 0;
        self.echoed = 0;
        change(&mut self.message, self.sequence);
    }

    /// The next message, no byte of it predictable from another connection's or an earlier one.
    pub(super) fn next_random(&mut self) {
        self.next(|_, _| {});
        self.fill();
    }

    fn fill(&mut self) {
        let mut random = Random::new((self.connection << 40) ^ self.sequence);
        random.fill(&mut self.message);
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.message[self.sent..]
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
        debug_assert!(self.sent <= self.message.len());
    }

    /// Bytes that have come back.
    pub(super) fn echoed(&self) -> usize {
        self.echoed
    }

    /// Checks what came back. Anything but the next bytes of what was sent is an error.
    pub(super) fn received(&mut self, bytes: &[u8]) -> Result<()> {
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
            bail!(
                "connection {}, message {}: byte {} of {} is not what was sent",
                self.connection,
                self.sequence,
                self.echoed + first_difference(bytes, expected),
                self.message.len(),
            );
        }
        self.echoed += bytes.len();
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.echoed == self.message.len()
    }

    pub(super) fn describe(&self) -> String {
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

/// The place of the first byte that differs; the length of the shorter if none does.
pub(super) fn first_difference(bytes: &[u8], expected: &[u8]) -> usize {
    bytes.iter().zip(expected).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(connection: u64, size: usize) -> (Message, Vec<u8>) {
        let mut conversation = Message::random(connection, size);
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
    fn a_missing_byte_is_an_error_where_it_is_missing() {
        let (mut conversation, mut bytes) = sent(3, 64);
        bytes.remove(20);
        let error = conversation.received(&bytes).unwrap_err().to_string();
        assert!(error.contains("byte 20 of 64"), "{error}");
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
        conversation.next_random();
        conversation.sent(64);
        assert!(conversation.received(&first).is_err());
    }
}
