//! Sums of what a server counts, for programs that show it themselves.

use std::time::Duration;

use crate::meter::{Count, ListenerMeter, ShardMeter};
use crate::server::Handle;

/// What a server has counted since it began, over all listeners and shards.
/// [`Handle::totals`](crate::Handle::totals) returns it. [`Stats`](crate::Stats) has the sessions,
/// the refusals and the closes.
///
/// ```
/// use proactor::metrics::Totals;
///
/// /// Bytes per second, both ways, between two moments.
/// fn rate(before: &Totals, now: &Totals, seconds: f64) -> (f64, f64) {
///     let received = now.received_bytes - before.received_bytes;
///     let sent = now.sent_bytes - before.sent_bytes;
///     (received as f64 / seconds, sent as f64 / seconds)
/// }
/// # assert_eq!(rate(&Totals::default(), &Totals::default(), 1.0), (0.0, 0.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Bytes that came by connections, as they are on the wire.
    pub received_bytes: u64,
    /// Bytes that the system has taken for connections, as they are on the wire.
    pub sent_bytes: u64,
    /// Packets that were handed to the logic, or passed on to a partner.
    pub received_packets: u64,
    /// Packets that were queued for peers: private ones, and broadcasts for each member.
    pub sent_packets: u64,
    /// Broadcasts of groups, on each shard that has members.
    pub broadcasts: u64,
    /// Bytes queued for peers now, with those in flight.
    pub queued_bytes: u64,
    /// Times that a peer took too little: reading was paused, packets were dropped, or the session
    /// was closed.
    pub slow_consumers: u64,
    /// Receives that found no free buffer in the pool of their shard.
    pub starvations: u64,
    /// Heartbeats after which nothing came from the peer until the next was due.
    pub heartbeats_missed: u64,
    /// Turns that had something to do.
    pub turns: u64,
    /// The time of these turns.
    pub turn_time: Duration,
    turn_times: Vec<(Option<Duration>, u64)>,
}

impl Totals {
    /// The turns by how long they took: up to each time, and longer than the one before. The last
    /// has no such time. The order and the times are always the same.
    pub fn turn_times(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        self.turn_times.iter().copied()
    }
}

impl<M> Handle<M> {
    /// Sums of what the server [counts](crate::Builder::metrics); `None` if it does not count.
    pub fn totals(&self) -> Option<Totals> {
        let shards: Vec<&ShardMeter> = self.directory.meters().collect();
        (!shards.is_empty()).then(|| sum(&shards))
    }
}

fn sum(shards: &[&ShardMeter]) -> Totals {
    let of_listeners = |count: fn(&ListenerMeter) -> &Count| {
        shards.iter().flat_map(|shard| shard.listeners()).map(|meter| count(meter).get()).sum::<u64>()
    };
    let of_shards = |count: fn(&ShardMeter) -> &Count| shards.iter().map(|shard| count(shard).get()).sum();
    let slow = [
        of_listeners(|meter| &meter.paused),
        of_listeners(|meter| &meter.droppings),
        of_listeners(|meter| &meter.too_slow),
    ];
    let mut totals = Totals {
        received_bytes: of_listeners(|meter| &meter.received_bytes),
        sent_bytes: of_listeners(|meter| &meter.sent_bytes),
        received_packets: of_listeners(|meter| &meter.received_packets),
        sent_packets: of_listeners(|meter| &meter.sent_packets),
        broadcasts: of_shards(|shard| &shard.broadcasts),
        queued_bytes: of_listeners(|meter| &meter.queued_bytes),
        slow_consumers: slow.iter().sum(),
        starvations: of_shards(|shard| &shard.starvations),
        heartbeats_missed: of_listeners(|meter| &meter.heartbeats_missed),
        ..Totals::default()
    };
    for turns in shards.iter().map(|shard| shard.turns.snapshot()) {
        totals.turns += turns.count;
        totals.turn_time += Duration::from_nanos(turns.sum);
        let upto = |(bound, count): &(Option<u64>, u64)| (bound.map(Duration::from_nanos), *count);
        match totals.turn_times.is_empty() {
            true => totals.turn_times = turns.buckets.iter().map(upto).collect(),
            false => totals.turn_times.iter_mut().zip(&turns.buckets).for_each(|(sum, more)| sum.1 += more.1),
        }
    }
    totals
}
