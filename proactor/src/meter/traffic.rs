//! Bytes of each session of a shard, if its server counts: beside the records, so that a server
//! that does not count pays no memory for them. Knows no socket.

/// Bytes of one session, as they are on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// The bytes of sessions, by slot. A server without a meter adds nothing, and this stays empty.
#[derive(Default)]
pub(crate) struct Traffics(Vec<Traffic>);

impl Traffics {
    /// A session begins in a slot.
    pub(crate) fn begin(&mut self, slot: u32) {
        let slot = slot as usize;
        if slot >= self.0.len() {
            self.0.resize(slot + 1, Traffic::default());
        }
        self.0[slot] = Traffic::default();
    }

    #[inline]
    pub(crate) fn received(&mut self, slot: u32, bytes: u64) {
        if let Some(traffic) = self.0.get_mut(slot as usize) {
            traffic.received += bytes;
        }
    }

    #[inline]
    pub(crate) fn sent(&mut self, slot: u32, bytes: u64) {
        if let Some(traffic) = self.0.get_mut(slot as usize) {
            traffic.sent += bytes;
        }
    }

    /// The bytes of the session in a slot, if the server counts.
    pub(crate) fn of(&self, slot: u32) -> Option<Traffic> {
        self.0.get(slot as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_begins_with_nothing_and_one_that_is_not_counted_has_none() {
        let mut traffics = Traffics::default();
        traffics.received(0, 5);
        assert_eq!(traffics.of(0), None);
        traffics.begin(2);
        traffics.received(2, 5);
        traffics.received(2, 6);
        traffics.sent(2, 7);
        assert_eq!(traffics.of(2), Some(Traffic { received: 11, sent: 7 }));
        assert_eq!((traffics.of(1), traffics.of(3)), (Some(Traffic::default()), None));
        traffics.begin(2);
        assert_eq!(traffics.of(2), Some(Traffic::default()));
    }
}
