//! A burst of packets that one session is handed, and the counts of it.

use std::cell::Cell;

use super::Session;
use crate::codec::{Framing, Plain};
use crate::group::domain::broadcast_by_thread;
use crate::handler::{Flow, Handler};
use crate::limits::LEAST_SHARE;

/// How many packets may follow the first one.
pub(super) struct Burst<'a> {
    /// The codec that finds them. `None`: none follow.
    pub(super) codec: Option<Plain>,
    /// What the session was handed in this turn, and may be.
    pub(super) bytes: usize,
    pub(super) share: usize,
    /// What the handlers of this thread may broadcast.
    pub(super) budget: u64,
    pub(super) look_again: &'a Cell<bool>,
}

impl Burst<'_> {
    /// Hands over a packet, and those behind it in `piece` while nothing happens that the shard's
    /// state must be asked about.
    ///
    /// No other function calls `received`: the compiler makes a handler with one caller part of
    /// this loop.
    pub(super) fn hand_over<'f, 'p: 'f, H: Handler>(
        &mut self,
        (handler, session, state): (&mut H, &Session, &mut H::State),
        first: &'f [u8],
        piece: &mut &'p [u8],
    ) -> Flow {
        let mut packet: &'f [u8] = first;
        loop {
            self.bytes += packet.len().max(LEAST_SHARE);
            let flow = handler.received(session, state, packet);
            let is_over = flow != Flow::Continue
                || self.look_again.get()
                || self.bytes >= self.share
                || broadcast_by_thread() >= self.budget;
            if is_over {
                return flow;
            }
            match self.codec.and_then(|codec| codec.first_packet(piece)) {
                Some(next) => (packet, *piece) = next,
                None => return flow,
            }
        }
    }
}

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
    /// the beginning, and `left` its bytes that were not handed over.
    pub(super) fn packets_in_all(mut self, codec: Option<&Framing>, piece: &[u8], left: &[u8]) -> u64 {
        if let Some(behind_first) = self.behind_first {
            let behind = &piece[piece.len() - behind_first..];
            self.end(codec.and_then(Framing::plain), behind, left);
        }
        self.packets
    }
}
