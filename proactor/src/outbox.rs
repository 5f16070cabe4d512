//! What is queued for one peer: bytes on their way, and bytes behind them. Knows no socket.

use crate::error::SendError;

/// Bytes queued for a peer, never more than the limit.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queued: Vec<u8>,
    in_flight: usize,
}

impl Outbox {
    /// Queued and in flight together.
    pub(crate) fn len(&self) -> usize {
        self.queued.len() + self.in_flight
    }

    pub(crate) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Queues a copy of all of `bytes` or, if they do not fit, nothing. `spare` gives memory to an outbox that has none.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        limit: usize,
        spare: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), SendError> {
        if bytes.len() > limit.saturating_sub(self.len()) {
            return Err(SendError::Full);
        }
        if self.queued.capacity() == 0 && !bytes.is_empty() {
            self.queued = spare();
        }
        self.queued.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes what is queued, to be sent in one operation.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.in_flight += self.queued.len();
        std::mem::take(&mut self.queued)
    }

    /// So many bytes are no longer in flight.
    pub(crate) fn done(&mut self, bytes: usize) {
        self.in_flight -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_whole_packets_up_to_its_limit_counting_what_is_in_flight() {
        let mut outbox = Outbox::default();
        outbox.push(b"abc", 8, Vec::new).unwrap();
        assert_eq!(outbox.take(), b"abc");
        outbox.push(b"defgh", 8, Vec::new).unwrap();
        assert_eq!(outbox.push(b"i", 8, Vec::new), Err(SendError::Full));
        outbox.done(3);
        outbox.push(b"i", 8, Vec::new).unwrap();
        assert_eq!((outbox.len(), outbox.take()), (6, b"defghi".to_vec()));
        assert!(!outbox.has_queued());
    }
}
