//! The bytes that workloads send, and their comparison with what comes back.

use super::websocket;
use crate::Random;

/// Bytes of a packet's length, big-endian, in front of it.
pub(super) const PREFIX: usize = 4;

/// The content repeats after so many bytes, or more.
const PERIOD: usize = 1 << 20;

/// The content repeats after so many messages, or more.
const MESSAGES: usize = 16;

/// Messages from where one connection begins to where the next does.
const STRIDE: usize = 256;

/// Messages of one length, said over and over in this order.
pub(super) struct Content {
    bytes: Vec<u8>,
    /// Bytes of a message, with the length in front of it if it has one.
    pub(super) message: usize,
    /// The same messages as they come back, if that is in another form.
    heard: Option<Box<Content>>,
}

impl Content {
    /// Random messages. They are more than twice as many as may be under way, so that neither an
    /// older nor a later message passes for the one expected. Their number is odd, so that no
    /// server's buffer holds a whole number of rounds of them.
    pub(super) fn random(size: usize, has_prefix: bool, under_way: usize) -> Self {
        let prefix = if has_prefix { PREFIX } else { 0 };
        let message = prefix + size;
        let count = (PERIOD / message).max(2 * under_way).max(MESSAGES) | 1;
        let mut bytes = vec![0; count * message];
        let mut random = Random::new(0x57e);
        for message in bytes.chunks_exact_mut(message) {
            let (length, payload) = message.split_at_mut(prefix);
            if has_prefix {
                length.copy_from_slice(&u32::try_from(size).expect("sizes are far below 4 GiB").to_be_bytes());
            }
            random.fill(payload);
        }
        Self { bytes, message, heard: None }
    }

    /// The same messages as those of a WebSocket: masked as they are sent, and plain as they come
    /// back.
    pub(super) fn over_websocket(size: usize, under_way: usize) -> Self {
        let payloads = Self::random(size, false, under_way);
        let mut random = Random::new(0x3a5c);
        let each = || payloads.bytes.chunks_exact(size);
        let said: Vec<u8> = each().flat_map(|payload| websocket::masked(payload, &mut random)).collect();
        let heard: Vec<u8> = each().flat_map(websocket::plain).collect();
        let count = each().count();
        let heard = Self { message: heard.len() / count, bytes: heard, heard: None };
        Self { message: said.len() / count, bytes: said, heard: Some(Box::new(heard)) }
    }

    /// The content as it comes back.
    pub(super) fn heard(&self) -> &Content {
        self.heard.as_deref().unwrap_or(self)
    }

    /// How much comes back when so much has been sent: in another form, of whole messages.
    pub(super) fn comes_back(&self, sent: u64) -> u64 {
        match &self.heard {
            Some(heard) => sent / self.message as u64 * heard.message as u64,
            None => sent,
        }
    }

    /// Always this message.
    pub(super) fn same(message: &[u8]) -> Self {
        Self { bytes: message.to_vec(), message: message.len(), heard: None }
    }

    /// Where the stream of a connection begins: elsewhere for each of as many connections as there
    /// are messages, whose number has no divisor in common with the stride.
    pub(super) fn begin(&self, connection: usize) -> u64 {
        let count = self.bytes.len() / self.message;
        (connection.wrapping_mul(STRIDE) % count * self.message) as u64
    }

    /// What is at this place of the endless stream, up to the end of a round and at most so much.
    pub(super) fn at(&self, position: u64, most: u64) -> &[u8] {
        let rest = &self.bytes[(position % self.bytes.len() as u64) as usize..];
        &rest[..rest.len().min(usize::try_from(most).unwrap_or(usize::MAX))]
    }

    /// How many of these bytes are those from `position` on.
    pub(super) fn agreeing(&self, position: u64, bytes: &[u8]) -> usize {
        let mut agreeing = 0;
        while agreeing < bytes.len() {
            let rest = &bytes[agreeing..];
            let expected = self.at(position + agreeing as u64, rest.len() as u64);
            if rest[..expected.len()] != *expected {
                return agreeing + first_difference(rest, expected);
            }
            agreeing += expected.len();
        }
        agreeing
    }
}

/// The place of the first byte that differs; the length of the shorter if none does.
pub(super) fn first_difference(bytes: &[u8], expected: &[u8]) -> usize {
    bytes.iter().zip(expected).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_have_their_length_in_front_and_are_all_different() {
        let said = Content::random(10, true, 1);
        let mut packets: Vec<_> = said.bytes.chunks_exact(said.message).collect();
        assert_eq!(said.message, 14);
        assert!(packets.iter().all(|packet| packet[..4] == [0, 0, 0, 10]));
        let count = packets.len();
        packets.sort();
        packets.dedup();
        assert_eq!(packets.len(), count);
    }

    #[test]
    fn a_round_is_longer_than_what_may_be_under_way_and_odd() {
        for (size, has_prefix, under_way) in
            [(1, false, 1), (64, true, 100), (64 * 1024, false, 16), (1 << 20, true, 1)]
        {
            let said = Content::random(size, has_prefix, under_way);
            let count = said.bytes.len() / said.message;
            assert!(count > 2 * under_way && count % 2 == 1, "{size}: {count}");
        }
    }

    #[test]
    fn what_comes_back_of_a_websocket_are_the_same_messages_without_masks() {
        let said = Content::over_websocket(10, 3);
        assert_eq!((said.message, said.heard().message), (16, 12));
        assert_eq!((said.comes_back(15), said.comes_back(16), said.comes_back(40)), (0, 12, 24));
        let count = said.bytes.len() / 16;
        assert_eq!(said.heard().bytes.len() / 12, count);
        for number in [0, 1, count as u64 - 1, count as u64] {
            let (masked, plain) = (said.at(number * 16, 16), said.heard().at(number * 12, 12));
            let payload: Vec<u8> = masked[6..].iter().zip(masked[2..6].iter().cycle()).map(|(a, b)| a ^ b).collect();
            assert_eq!(payload, plain[2..]);
        }
    }

    #[test]
    fn bytes_are_compared_over_the_end_of_a_round() {
        let said = Content::random(1000, false, 1);
        let begin = said.bytes.len() as u64 - 1000;
        let mut bytes = [said.at(begin, 1000), said.at(0, 1000), said.at(1000, 500)].concat();
        assert_eq!(said.agreeing(begin, &bytes), 2500);
        assert_eq!(said.agreeing(begin + said.bytes.len() as u64, &bytes), 2500);
        bytes[1700] ^= 1;
        assert_eq!(said.agreeing(begin, &bytes), 1700);
    }
}
