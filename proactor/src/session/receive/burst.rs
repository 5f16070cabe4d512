//! Counts the bytes and packets that a session was handed.

use crate::codec::{Framing, Plain};
use crate::limits::LEAST_SHARE;

/// A session was handed these bytes in this turn and, if the server counts, these packets of the
/// piece at hand.
///
/// The packets of a burst are counted when it is over, by looking for them again. Counting each
/// would cost a server that does not count an instruction for every packet.
pub(super) struct Handed {
    pub(super) bytes: usize,
    pub(super) packets: u64,
    /// How many bytes were behind the first packet of the burst that is being handed over.
    behind_first: Option<usize>,
}

impl Handed {
    pub(super) fn new(bytes: usize) -> Handed {
        Handed { bytes, packets: 0, behind_first: None }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, packet: &[u8]) {
        self.bytes += packet.len().max(LEAST_SHARE);
    }

    /// A packet is handed over, and perhaps more in these bytes behind it.
    pub(super) fn begin(&mut self, behind: &[u8]) {
        self.packets += 1;
        self.behind_first = Some(behind.len());
    }

    /// The burst is over: `left` of the bytes behind its first packet were not handed over.
    #[inline(never)]
    pub(super) fn end(&mut self, codec: Option<Plain>, behind: &[u8], left: &[u8]) {
        self.behind_first = None;
        let mut rest = behind;
        // With what is left, for the codec looks beyond the packet.
        while rest.len() > left.len()
            && let Some((_, next)) = codec.and_then(|codec| codec.first_packet(rest))
        {
            self.packets += 1;
            rest = next;
        }
    }

    /// All packets, also those of a burst that a panic has ended. `piece` is what was at hand in
    /// the beginning, and `left` what was not handed over.
    pub(super) fn packets_in_all(mut self, codec: Option<&Framing>, piece: &[u8], left: &[u8]) -> u64 {
        if let Some(behind_first) = self.behind_first {
            let behind = &piece[piece.len() - behind_first..];
            self.end(codec.and_then(Framing::plain), behind, left);
        }
        self.packets
    }
}
