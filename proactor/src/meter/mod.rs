//! What a shard counts for `Handle::registry`, if its server is to: by listener, never by peer.
//! Knows no socket.
//!
//! Each shard has a [`ShardMeter`], which only its thread writes. A count is added to by a load and
//! a store, so that counting costs what it costs in a plain variable; a scrape on another thread
//! reads and sums. A server that does not count has no meters, and its packet path asks for one a
//! few times a message.

mod count;
mod histogram;
mod labels;
mod traffic;

pub(crate) use self::count::Count;
pub(crate) use self::histogram::{Histogram, Snapshot};
pub(crate) use self::labels::{datagram_drop_label, reason_of, tls_failure_label};
pub(crate) use self::traffic::{Traffic, Traffics};

use std::sync::Arc;

use self::labels::{REASONS, REFUSALS, reason_at, refusal_at};
use crate::datagrams::drops::{DatagramCounts, DatagramDrop};
use crate::limits::Refusal;
use crate::session::reason::CloseReason;

/// What one shard counts.
pub(crate) struct ShardMeter {
    /// By listener; the last is for connections that the server has made itself.
    listeners: Box<[ListenerMeter]>,
    /// Connections that the logic has asked for, and that became sessions.
    pub(crate) connects: Count,
    /// Those that could not be made.
    pub(crate) connects_failed: Count,
    /// Broadcasts of groups that have members here: one that reaches several shards counts on each.
    pub(crate) broadcasts: Count,
    /// Receives that found the pool of buffers empty.
    pub(crate) starvations: Count,
    pub(crate) out_of_files: Count,
    pub(crate) datagrams_received: Count,
    pub(crate) datagrams_sent: Count,
    datagrams_dropped: [Count; DatagramDrop::ALL.len()],
    /// Nanoseconds of the turns that had something to do, from the end of the wait.
    pub(crate) turns: Histogram<12>,
    /// Completions of these turns.
    pub(crate) completions: Histogram<12>,
}

/// What one shard counts for the sessions of one listener.
pub(crate) struct ListenerMeter {
    /// Sessions that began: connections that were accepted or made.
    pub(crate) begun: Count,
    /// Sessions that are gone.
    pub(crate) ended: Count,
    /// Transports (TLS, WebSocket) that became open.
    pub(crate) opened: Count,
    pub(crate) received_bytes: Count,
    pub(crate) received_packets: Count,
    pub(crate) sent_bytes: Count,
    pub(crate) sent_packets: Count,
    /// Of those that are about to be counted as sent: packets that members of groups do not get.
    pub(crate) withheld: Count,
    /// Bytes in the outboxes of its sessions.
    pub(crate) queued_bytes: Count,
    /// Bytes in an outbox, after something was queued there.
    pub(crate) depths: Histogram<10>,
    /// Sessions or their partners that were not read from because the peer took too little.
    pub(crate) paused: Count,
    /// Sessions that were closed for that.
    pub(crate) too_slow: Count,
    /// Times that the oldest packets of a session were dropped for that, and the packets.
    pub(crate) droppings: Count,
    pub(crate) dropped: Count,
    pub(crate) heartbeats: Count,
    /// Heartbeats after which nothing came from the peer until the next.
    pub(crate) heartbeats_missed: Count,
    refused: [Count; REFUSALS],
    closed: [Count; REASONS],
}

impl ShardMeter {
    pub(crate) fn new(listeners: usize) -> ShardMeter {
        ShardMeter {
            listeners: (0..=listeners).map(|_| ListenerMeter::new()).collect(),
            connects: Count::default(),
            connects_failed: Count::default(),
            broadcasts: Count::default(),
            starvations: Count::default(),
            out_of_files: Count::default(),
            datagrams_received: Count::default(),
            datagrams_sent: Count::default(),
            datagrams_dropped: Default::default(),
            // 10 µs to 2.5 s.
            turns: Histogram::new([
                10_000,
                25_000,
                100_000,
                250_000,
                1_000_000,
                2_500_000,
                10_000_000,
                25_000_000,
                100_000_000,
                250_000_000,
                1_000_000_000,
                2_500_000_000,
            ]),
            completions: Histogram::new([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096]),
        }
    }

    /// The counts of a listener's sessions. [`NO_LISTENER`](crate::limits::NO_LISTENER) has those
    /// that the server has connected itself.
    #[inline]
    pub(crate) fn of(&self, listener: u8) -> &ListenerMeter {
        let outbound = self.listeners.len() - 1;
        &self.listeners[usize::from(listener).min(outbound)]
    }

    /// All of them, in the order of the listeners; the last is for outbound connections.
    pub(crate) fn listeners(&self) -> &[ListenerMeter] {
        &self.listeners
    }

    pub(crate) fn count_datagrams(&self, counts: &DatagramCounts) {
        self.datagrams_received.add(counts.received);
        self.datagrams_sent.add(counts.sent);
        for (why, count) in counts.drops() {
            self.datagrams_dropped[why as usize].add(count);
        }
    }

    /// Datagrams that were dropped, by reason.
    pub(crate) fn datagram_drops(&self) -> impl Iterator<Item = (DatagramDrop, u64)> {
        DatagramDrop::ALL.into_iter().zip(self.datagrams_dropped.iter().map(Count::get))
    }
}

impl ListenerMeter {
    fn new() -> ListenerMeter {
        ListenerMeter {
            begun: Count::default(),
            ended: Count::default(),
            opened: Count::default(),
            received_bytes: Count::default(),
            received_packets: Count::default(),
            sent_bytes: Count::default(),
            sent_packets: Count::default(),
            withheld: Count::default(),
            queued_bytes: Count::default(),
            // 256 bytes to 64 MiB.
            depths: Histogram::new([8, 10, 12, 14, 16, 18, 20, 22, 24, 26].map(|exponent| 1 << exponent)),
            paused: Count::default(),
            too_slow: Count::default(),
            droppings: Count::default(),
            dropped: Count::default(),
            heartbeats: Count::default(),
            heartbeats_missed: Count::default(),
            refused: Default::default(),
            closed: Default::default(),
        }
    }

    pub(crate) fn count_refused(&self, refusal: Refusal) {
        self.refused[refusal_at(refusal)].add(1);
    }

    pub(crate) fn count_closed(&self, reason: CloseReason) {
        self.closed[reason_at(reason)].add(1);
    }

    /// Connections that were refused: by the label of the reason, also those without any.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        labels::refusal_labels().zip(self.refused.iter().map(Count::get))
    }

    /// Sessions that ended: by the label of the reason, also those without any.
    pub(crate) fn closings(&self) -> impl Iterator<Item = (&'static str, u64)> {
        labels::reason_labels().zip(self.closed.iter().map(Count::get))
    }

    /// An outbox holds so many bytes, and held others when this was last told. Returns what it
    /// holds, to be told the next time.
    pub(crate) fn depth(&self, before: usize, now: usize) -> usize {
        // In one step: a scrape in between would see fewer.
        self.queued_bytes.add((now as u64).wrapping_sub(before as u64));
        now
    }
}

/// A shard's meter, if the server counts.
pub(crate) type Meter = Option<Arc<ShardMeter>>;
