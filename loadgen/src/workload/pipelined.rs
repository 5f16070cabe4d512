//! Every connection sends a burst of length-prefixed packets in one write, and the next burst when
//! the whole of it has come back. A unit is a packet.

use anyhow::{Result, ensure};

use super::closed_loop::{ClosedLoop, Exchange};
use super::load;
use super::measurement::Measurement;
use super::message::Message;
use super::setup::Setup;
use crate::Random;

/// Bytes of a packet's length, big-endian, in front of it.
pub(super) const PREFIX: usize = 4;

pub(super) fn run(setup: &Setup) -> Result<Measurement> {
    let case = &setup.case;
    let (connections, burst, size) = (case.get("connections"), case.get("burst"), case.get("size"));
    ensure!(burst.saturating_mul(size) <= 16 << 20, "a burst of more than 16 MiB");
    let sockets = setup.connect(connections)?;
    let exchanges = (0..connections).map(|id| Burst::new(id as u64, burst, size));
    load::run(sockets, &mut ClosedLoop::new(exchanges), setup.window()?)
}

/// A packet in its frame, with content that cannot be guessed.
pub(super) fn append_packet(stream: &mut Vec<u8>, size: usize, random: &mut Random) {
    let length = u32::try_from(size).expect("sizes are bounded far below 4 GiB");
    stream.extend_from_slice(&length.to_be_bytes());
    let payload = stream.len();
    stream.resize(payload + size, 0);
    random.fill(&mut stream[payload..]);
}

struct Burst {
    conversation: Message,
    /// Bytes of a packet and its length.
    framed: usize,
    /// Packets of this burst that are back.
    back: usize,
}

impl Burst {
    fn new(connection: u64, packets: usize, size: usize) -> Self {
        let mut random = Random::new(connection << 40);
        let mut burst = Vec::with_capacity(packets * (PREFIX + size));
        for _ in 0..packets {
            append_packet(&mut burst, size, &mut random);
        }
        Self { conversation: Message::new(connection, burst), framed: PREFIX + size, back: 0 }
    }
}

impl Exchange for Burst {
    /// The content of a burst is drawn once; what makes each packet of each burst another one is
    /// the burst's number in its first bytes, so that making a burst costs next to nothing.
    fn next(&mut self) {
        let framed = self.framed;
        self.back = 0;
        self.conversation.next(|burst, number| {
            let number = number.to_le_bytes();
            for packet in burst.chunks_exact_mut(framed) {
                let stamped = number.len().min(framed - PREFIX);
                packet[PREFIX..PREFIX + stamped].copy_from_slice(&number[..stamped]);
            }
        });
    }

    fn unsent(&self) -> &[u8] {
        self.conversation.unsent()
    }

    fn sent(&mut self, count: usize) {
        self.conversation.sent(count);
    }

    fn received(&mut self, bytes: &[u8]) -> Result<u64> {
        self.conversation.received(bytes)?;
        let back = self.conversation.echoed() / self.framed;
        let units = back - self.back;
        self.back = back;
        Ok(units as u64)
    }

    fn is_complete(&self) -> bool {
        self.conversation.is_complete()
    }

    fn describe(&self) -> String {
        format!("{}, in packets of {} bytes with their length", self.conversation.describe(), self.framed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(burst: &mut Burst) -> Vec<u8> {
        let bytes = burst.unsent().to_vec();
        burst.sent(bytes.len());
        bytes
    }

    #[test]
    fn packets_are_framed_and_all_different() {
        let mut burst = Burst::new(1, 3, 10);
        let bytes = sent(&mut burst);
        let packets: Vec<_> = bytes.chunks(14).collect();
        assert_eq!(packets.len(), 3);
        assert!(packets.iter().all(|packet| packet[..4] == [0, 0, 0, 10]));
        assert_ne!(packets[0], packets[1]);
    }

    #[test]
    fn a_packet_counts_when_its_last_byte_is_back() {
        let mut burst = Burst::new(1, 3, 10);
        let bytes = sent(&mut burst);
        assert_eq!(burst.received(&bytes[..13]).unwrap(), 0);
        assert_eq!(burst.received(&bytes[13..29]).unwrap(), 2);
        assert!(!burst.is_complete());
        assert_eq!(burst.received(&bytes[29..]).unwrap(), 1);
        assert!(burst.is_complete());
    }

    #[test]
    fn two_packets_in_the_wrong_order_are_an_error_at_the_first() {
        let mut burst = Burst::new(1, 3, 10);
        let mut bytes = sent(&mut burst);
        bytes[14..].rotate_left(14);
        let error = burst.received(&bytes).unwrap_err().to_string();
        assert!(error.contains("byte 18 of 42"), "{error}");
    }

    #[test]
    fn the_last_burst_does_not_pass_for_this_one_even_with_the_shortest_packets() {
        for size in [1, 64] {
            let mut burst = Burst::new(1, 3, size);
            let first = sent(&mut burst);
            burst.received(&first).unwrap();
            burst.next();
            sent(&mut burst);
            assert!(burst.received(&first).is_err());
        }
    }
}
