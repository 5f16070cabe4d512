//! From the news of groups to the outboxes of their members, and what happens to members that are
//! too slow.

use super::local::{LocalGroup, News};
use super::{Group, membership};
use crate::limits::SlowConsumer;
use crate::outbox::TakeLimits;
use crate::session::send::{self, NewsSender};
use crate::session::{close, holds::Hold, id::SessionId, reading, reason::CloseReason};
use crate::shard::state::ShardState;

/// Queues the news of all groups for their members. Returns whether any group had news.
pub(crate) fn fan_out(state: &mut ShardState) -> bool {
    let Some(mut groups_with_news) = state.groups.take_news() else { return false };
    let any = !groups_with_news.is_empty();
    for group in groups_with_news.drain(..) {
        if let Some(news) = state.groups.news_of(group) {
            let is_metered = state.meter.is_some();
            if is_metered {
                meter_news(state, group, &news);
            }
            fan_out_one(state, group, news);
            if is_metered {
                meter_depths(state, group);
            }
        }
    }
    state.groups.reuse_news(groups_with_news);
    any
}

/// Counts the news of a group, and the packets that its members get.
#[cold]
fn meter_news(state: &ShardState, group: u32, news: &News) {
    let ShardState { sessions, groups, meter: Some(meter), .. } = state else { return };
    let Some(local) = groups.local().at(group) else { return };
    let all = news.to - news.from;
    meter.broadcasts.add(all);
    let of = |slot: u32| {
        let record = sessions.at(slot)?;
        Some((meter.of(record.activity.listener()), record.outbox.position(group)?))
    };
    for withheld in local.withheld.iter().filter(|withheld| withheld.id.shard() == state.shard) {
        if let Some((meter, position)) = of(withheld.id.slot())
            && sessions.id(withheld.id.slot()) == Some(withheld.id)
            && position <= news.from
        {
            meter.withheld.add(1);
        }
    }
    for slot in local.members() {
        let (Some((meter, position)), Some(id)) = (of(*slot), sessions.id(*slot)) else { continue };
        let packets = match position <= news.from {
            true => all,
            // It joined in the middle of them.
            false => local.packets_for(id, position..news.to),
        };
        // A counter must never go down, so what is withheld is left out of what is added.
        let withheld = packets.min(meter.withheld.get());
        meter.withheld.sub(withheld);
        meter.sent_packets.add(packets - withheld);
    }
}

/// Tells how much is queued for each member of a group.
#[cold]
fn meter_depths(state: &mut ShardState, group: u32) {
    let ShardState { sessions, groups, meter: Some(meter), .. } = state else { return };
    for slot in groups.local().at(group).map(LocalGroup::members).unwrap_or_default() {
        let Some(record) = sessions.at_mut(*slot) else { continue };
        let meter = meter.of(record.activity.listener());
        if let Some(outbox) = record.outbox.get() {
            outbox.tell(meter);
            meter.depths.observe(outbox.len() as u64);
        }
    }
}

/// Queues the news of one group for its members.
fn fan_out_one(state: &mut ShardState, group: u32, news: News) {
    let (high, shard) = (state.limits.high(), state.shard);
    let ShardState { sessions, groups, limits, send_memory: memory, driver, timers, meter, traffics, .. } = state;
    let limits = TakeLimits::new(groups.upto(), limits.outbox);
    let mut sender = NewsSender { limits, memory, driver, timers, meter: meter.as_deref(), traffics };
    let mut slow = std::mem::take(&mut groups.slow);
    let Some(local) = groups.local().at(group) else { return };
    for withheld in local.withheld.iter().filter(|withheld| withheld.id.shard() == shard) {
        if let Some(outbox) = sessions.get_mut(withheld.id).and_then(|record| record.outbox.get()) {
            outbox.positions.withhold(group, &news, withheld);
        }
    }
    let mut oldest_needed = local.counted();
    for slot in local.members() {
        let Some((id, record, to_send)) = sessions.at_to_send(*slot) else { continue };
        let Some(outbox) = record.outbox.get() else { continue };
        outbox.queue_news(id, group, &news, groups.local());
        let is_slow = outbox.len() >= high || outbox.positions.has_lost(groups.local());
        if is_slow {
            slow.push(*slot);
        }
        let (is_of_one_group, has_queued) = (outbox.is_of_one_group(), outbox.has_queued());
        // While the session is at hand: all that it has is counted. Others wait for what their
        // other groups have, or for what becomes of them.
        if is_of_one_group && !is_slow && record.is_ready() {
            sender.send(id, record, groups.local());
        } else if !record.sending && has_queued {
            to_send.add(*slot, record);
        }
        let needed = record.outbox.position(group);
        oldest_needed = oldest_needed.min(needed.unwrap_or(oldest_needed));
    }
    if let Some(local) = groups.at_mut(group) {
        local.reader.trim(oldest_needed);
    }
    for slot in slow.drain(..) {
        apply_slow_policy(state, slot);
    }
    state.groups.slow = slow;
}

/// Applies the policy to a session that may be over its high watermark or its limit.
pub(crate) fn apply_slow_policy(state: &mut ShardState, slot: u32) {
    let limits = state.limits;
    let ShardState { sessions, groups, directory, transports, .. } = state;
    let Some(id) = sessions.id(slot) else { return };
    let Some(record) = sessions.open_at(slot) else { return };
    // Its peer is away, or does not confirm what it was sent.
    let must_wait = record.has_transport() && (record.holds.contains(Hold::Away) || transports.room(slot) == 0);
    let Some(outbox) = record.outbox.get() else { return };
    // With nothing in flight the peer is not slow: it was sent nothing that it could take.
    let is_sending = outbox.in_flight() > 0 || must_wait;
    let is_over = (is_sending && outbox.len() > limits.outbox) || outbox.positions.has_lost(groups.local());
    match limits.slow {
        SlowConsumer::DropOldest if is_over => {
            let before = outbox.dropped();
            outbox.skip_lost(id, groups.local());
            if is_sending {
                outbox.drop_oldest(id, limits.outbox, groups.local());
            }
            let dropped = outbox.dropped() - before;
            directory.count_dropped(id, record.activity.listener(), dropped);
        }
        _ if is_over => close::begin(state, slot, CloseReason::TooSlow),
        SlowConsumer::PauseReading if is_sending && outbox.len() >= limits.high() => {
            reading::hold(state, slot, Hold::Throttled);
        }
        _ => {}
    }
}

/// Takes a session out of a group. It is still sent the broadcasts up to `stamp`. The last count
/// was not later than `stamp`.
pub(crate) fn leave(state: &mut ShardState, id: SessionId, group: &Group, stamp: u64) {
    let ShardState { sessions, groups, profiles, .. } = state;
    let Some(record) = sessions.open(id) else { return };
    let Some(framing) = membership::framing_of(record, profiles, groups.domain()) else { return };
    let Some(group) = group.framed(groups.domain(), framing) else { return };
    let Some(local) = groups.slot_of(&group) else { return };
    if record.outbox.len() > state.limits.outbox {
        // Leaving copies what is queued into the outbox. What is sent before is not copied.
        let complete = membership::complete_upto(state, id.slot());
        send::send_upto(state, id.slot(), stamp.min(complete), None);
    }
    if membership::leave_one(state, id.slot(), local, Some(stamp)) {
        close::begin(state, id.slot(), CloseReason::TooSlow);
    }
    apply_slow_policy(state, id.slot());
}

/// Drops from the logs the records that every member has taken.
pub(crate) fn trim_logs(state: &mut ShardState) {
    let ShardState { sessions, groups, .. } = state;
    let to_trim = groups.take_to_trim();
    for group in to_trim.iter().copied() {
        if let Some(local) = groups.at_mut(group) {
            local.trim(|slot| sessions.at(slot)?.outbox.position(group));
        }
    }
    groups.reuse_to_trim(to_trim);
}
