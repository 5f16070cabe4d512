//! Why a datagram was dropped.

use std::fmt;

/// Why the server has dropped a datagram. [`Stats::datagrams_dropped`](crate::Stats) counts each.
/// Those of peers that were refused a session are counted by their
/// [refusal](crate::Stats::refused).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DatagramDrop {
    /// One that came was longer than its listener takes.
    Oversized,
    /// One that came found its session held, and as much waiting for it as may wait.
    Held,
    /// One that came had no session, and was no part of the exchange of cookies that its listener
    /// asks for; or its cookie was wrong, or too old.
    NoCookie,
    /// One to be sent would have been more than came from its peer, whose address is not proved.
    Unproved,
    /// One to be sent was refused by the system.
    Unsent,
}

impl DatagramDrop {
    pub(crate) const ALL: [DatagramDrop; 5] = [
        DatagramDrop::Oversized,
        DatagramDrop::Held,
        DatagramDrop::NoCookie,
        DatagramDrop::Unproved,
        DatagramDrop::Unsent,
    ];
}

impl fmt::Display for DatagramDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DatagramDrop::Oversized => "longer than its listener takes",
            DatagramDrop::Held => "too many wait for its session",
            DatagramDrop::NoCookie => "no session and no valid cookie",
            DatagramDrop::Unproved => "more than came from an address that is not proved",
            DatagramDrop::Unsent => "the system did not send it",
        })
    }
}

/// What a shard has counted and not told yet.
#[derive(Debug, Default)]
pub(crate) struct DatagramCounts {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    dropped: [u64; DatagramDrop::ALL.len()],
    is_changed: bool,
}

impl DatagramCounts {
    pub(crate) fn came(&mut self) {
        self.received += 1;
        self.is_changed = true;
    }

    pub(crate) fn left(&mut self, datagrams: usize) {
        self.sent += datagrams as u64;
        self.is_changed = true;
    }

    pub(crate) fn dropped(&mut self, why: DatagramDrop) {
        self.dropped[why as usize] += 1;
        self.is_changed = true;
    }

    pub(crate) fn drops(&self) -> impl Iterator<Item = (DatagramDrop, u64)> {
        DatagramDrop::ALL.into_iter().zip(self.dropped).filter(|(_, count)| *count > 0)
    }

    /// Takes what there is to tell, if there is anything.
    pub(crate) fn take(&mut self) -> Option<DatagramCounts> {
        self.is_changed.then(|| std::mem::take(self))
    }
}
