//! The rates of the sessions of one listener.

use super::bucket::Rate;

/// The rates of the sessions of one listener.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    pub(crate) packets: Option<Rate>,
    pub(crate) bytes: Option<Rate>,
}

impl Rates {
    /// These, and others where there are none.
    pub(crate) fn or(self, others: Rates) -> Rates {
        Rates { packets: self.packets.or(others.packets), bytes: self.bytes.or(others.bytes) }
    }

    pub(crate) fn are_set(&self) -> bool {
        self.packets.is_some() || self.bytes.is_some()
    }
}
