//! Datagrams of many sessions that leave by one socket, in the order in which they were queued.

use std::collections::VecDeque;
use std::net::SocketAddr;

use overlapped::driver::DatagramTo;

use crate::session::id::SessionId;

/// Bytes of a packet's length before it.
const LENGTH_BYTES: usize = 2;
/// Answers of the exchange of cookies that may wait. Their askers ask again.
const MOST_ANSWERS: usize = 1024;
/// The most memory that is kept while nothing waits.
const KEPT_BYTES: usize = 256 * 1024;
/// How many leave at once.
pub(crate) const BATCH: usize = 64;

/// A datagram that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) to: SocketAddr,
    /// Where its bytes begin, counted from the first byte that waits.
    start: usize,
    pub(crate) bytes: usize,
    /// Whose it is; `None` for an answer of the exchange of cookies.
    pub(crate) session: Option<SessionId>,
}

impl Item {
    /// What it takes of its session's outbox.
    pub(crate) fn queued_bytes(&self) -> usize {
        LENGTH_BYTES + self.bytes
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    items: VecDeque<Item>,
    bytes: Vec<u8>,
    answers: usize,
}

/// The packets of a piece of an outbox, without their lengths.
pub(crate) fn packets(mut piece: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = piece.split_first_chunk::<LENGTH_BYTES>()?;
        let (packet, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        piece = rest;
        Some(packet)
    })
}

/// Puts the length before a packet, as the codec of a datagram session reads it.
pub(crate) fn frame(packet: &[u8], frame: &mut Vec<u8>) {
    frame.clear();
    // It is not longer than a datagram can be.
    frame.extend_from_slice(&(packet.len() as u16).to_be_bytes());
    frame.extend_from_slice(packet);
}

/// What a packet takes of its session's outbox.
pub(crate) fn queued_bytes(packet: &[u8]) -> usize {
    LENGTH_BYTES + packet.len()
}

impl Outgoing {
    /// Queues a packet of a session.
    pub(crate) fn push(&mut self, session: SessionId, to: SocketAddr, packet: &[u8]) {
        self.push_item(Some(session), to, packet);
    }

    /// Queues an answer of the exchange of cookies, unless too many wait.
    pub(crate) fn answer(&mut self, to: SocketAddr, bytes: &[u8]) {
        if self.answers < MOST_ANSWERS {
            self.answers += 1;
            self.push_item(None, to, bytes);
        }
    }

    fn push_item(&mut self, session: Option<SessionId>, to: SocketAddr, packet: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(packet);
        self.items.push_back(Item { to, start, bytes: packet.len(), session });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn first(&self) -> Option<(Item, &[u8])> {
        let item = self.items.front()?;
        Some((*item, self.bytes_of(item)))
    }

    fn bytes_of(&self, item: &Item) -> &[u8] {
        &self.bytes[item.start..item.start + item.bytes]
    }

    /// Calls with the first that wait, at most [`BATCH`].
    pub(crate) fn with_batch<R>(&self, call: impl FnOnce(&[DatagramTo<'_>]) -> R) -> R {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut batch = [DatagramTo { bytes: &[], to: nowhere }; BATCH];
        let mut count = 0;
        for (place, item) in batch.iter_mut().zip(&self.items) {
            *place = DatagramTo { bytes: self.bytes_of(item), to: item.to };
            count += 1;
        }
        call(&batch[..count])
    }

    /// The first has left, or is dropped.
    pub(crate) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.answers -= usize::from(item.session.is_none());
        if self.items.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
        } else if item.start > KEPT_BYTES && item.start > self.bytes.len() / 2 {
            // The socket takes little: the memory of what has left is used again.
            let gone = item.start + item.bytes;
            self.bytes.drain(..gone);
            self.items.iter_mut().for_each(|item| item.start -= gone);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use overlapped::table::Key;

    use super::*;

    #[test]
    fn packets_leave_in_order_without_their_lengths_and_memory_stays_small() {
        let (session, to) = (SessionId::new(0, Key::new(0, 0)), SocketAddr::from(([10, 0, 0, 1], 80)));
        let (mut outgoing, mut framed, mut queued) = (Outgoing::default(), Vec::new(), 0_u64);
        let mut left = 0_u64;
        for round in 0..2_000 {
            let mut piece = Vec::new();
            for _ in 0..4 {
                let packet = [queued.to_be_bytes().to_vec(), vec![7; 1000]].concat();
                frame(&packet, &mut framed);
                piece.extend_from_slice(&framed);
                queued += 1;
            }
            frame(b"", &mut framed);
            piece.extend_from_slice(&framed);
            assert_eq!(packets(&piece).count(), 5);
            packets(&piece).filter(|packet| !packet.is_empty()).for_each(|packet| outgoing.push(session, to, packet));
            // Some always wait.
            while outgoing.items.len() > 3 + round % 2 {
                let (item, bytes) = outgoing.first().unwrap();
                assert_eq!((bytes[..8].to_vec(), item.queued_bytes()), (left.to_be_bytes().to_vec(), bytes.len() + 2));
                outgoing.with_batch(|batch| assert_eq!(batch[0].bytes[..8], left.to_be_bytes()));
                outgoing.pop();
                left += 1;
            }
            assert!(outgoing.bytes.len() < 4 * KEPT_BYTES);
        }
        while outgoing.pop().is_some() {}
        assert!(outgoing.is_empty() && outgoing.bytes.is_empty());
    }

    #[test]
    fn answers_that_wait_are_limited() {
        let to = SocketAddr::from(([10, 0, 0, 1], 80));
        let mut outgoing = Outgoing::default();
        for _ in 0..2 * MOST_ANSWERS {
            outgoing.answer(to, &[0; 32]);
        }
        assert_eq!(outgoing.items.len(), MOST_ANSWERS);
        while outgoing.pop().is_some() {}
        outgoing.answer(to, &[0; 32]);
        assert_eq!(outgoing.items.len(), 1);
    }
}
