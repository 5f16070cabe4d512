//! From the news of groups to the outboxes of their members, and what happens to members that are
//! too slow.

use super::Group;
use super::local::News;
use super::membership;
use crate::outbox::slow::SlowConsumer;
use crate::session::holds::Hold;
use crate::session::id::SessionId;
use crate::session::reason::CloseReason;
use crate::session::{close, reading, send};
use crate::shard::state::ShardState;

/// Counts the news of all groups that have some. Says whether any had.
pub(crate) fn count_news(state: &mut ShardState) -> bool {
    let Some(mut news) = state.groups.take_news() else { return false };
    let any = !news.is_empty();
    for group in news.drain(..) {
        if let Some(news) = state.groups.count_news(group) {
            queue_news(state, group, news);
        }
    }
    state.groups.reuse_news(news);
    any
}

/// Queues the news of a group for its members.
fn queue_news(state: &mut ShardState, group: u32, news: News) {
    let (high, shard) = (state.limits.high(), state.shard);
    let ShardState { sessions, groups, .. } = state;
    let mut slow = groups.take_slow();
    let Some(local) = groups.local().at(group) else { return };
    for excepted in local.excepted().iter().filter(|excepted| excepted.id.shard() == shard) {
        if let Some(outbox) = sessions.get_mut(excepted.id).and_then(|record| record.outbox.get()) {
            outbox.except(group, &news, excepted);
        }
    }
    let mut keep = local.counted();
    for slot in local.members() {
        let (Some(id), Some(record)) = (sessions.id(*slot), sessions.at_mut(*slot)) else { continue };
        record.outbox.count_news(id, group, &news, groups.local());
        if record.outbox.len() >= high || record.outbox.has_lost(groups.local()) {
            slow.push(*slot);
        }
        keep = keep.min(record.outbox.position(group).unwrap_or(keep));
        if !record.sending && record.outbox.has_queued() {
            sessions.send_later(*slot);
        }
    }
    if let Some(local) = groups.at_mut(group) {
        local.trim(keep);
    }
    for slot in slow.drain(..) {
        apply_slow_policy(state, slot);
    }
    state.groups.reuse_slow(slow);
}

/// Decides what to do with a session that may be over its high watermark or its limit.
pub(crate) fn apply_slow_policy(state: &mut ShardState, slot: u32) {
    let limits = state.limits;
    let ShardState { sessions, groups, directory, .. } = state;
    let Some(id) = sessions.id(slot) else { return };
    let Some(record) = sessions.open_at(slot) else { return };
    let Some(outbox) = record.outbox.get() else { return };
    // While nothing is in flight, the peer has had no chance to be quicker.
    let is_sending = outbox.is_sending();
    let is_over = is_sending && outbox.len() > limits.outbox || outbox.has_lost(groups.local());
    match limits.slow {
        SlowConsumer::DropOldest if is_over => {
            let before = outbox.dropped();
            outbox.skip_lost(id, groups.local());
            if is_sending {
                outbox.drop_oldest(id, limits.outbox, groups.local());
            }
            directory.count_dropped(outbox.dropped() - before);
        }
        _ if is_over => close::begin(state, slot, CloseReason::TooSlow),
        SlowConsumer::PauseReading if is_sending && outbox.len() >= limits.high() => {
            reading::hold(state, slot, Hold::Throttled);
        }
        _ => {}
    }
}

/// Takes a session out of a group. What was issued up to `stamp`, which is no earlier than the last
/// count, is still sent.
pub(crate) fn leave(state: &mut ShardState, id: SessionId, group: &Group, stamp: u64) {
    let Some(local) = state.groups.slot_of(group) else { return };
    let Some(record) = state.sessions.open(id) else { return };
    if record.outbox.len() > state.limits.outbox {
        // What can be sent at once need not be copied.
        let complete = membership::complete_upto(state, id.slot());
        send::send_upto(state, id.slot(), stamp.min(complete));
    }
    if membership::leave_one(state, id.slot(), local, Some(stamp)) {
        close::begin(state, id.slot(), CloseReason::TooSlow);
    }
    apply_slow_policy(state, id.slot());
}

/// Lets logs forget what all members have taken.
pub(crate) fn trim_logs(state: &mut ShardState) {
    let ShardState { sessions, groups, .. } = state;
    let to_trim = groups.take_to_trim();
    for group in to_trim.iter().copied() {
        let Some(local) = groups.local().at(group) else { continue };
        let positions = local.members().iter().filter_map(|slot| sessions.at(*slot)?.outbox.position(group));
        let keep = positions.min().unwrap_or(local.counted()).min(local.counted());
        if let Some(local) = groups.at_mut(group) {
            local.trim(keep);
        }
    }
    groups.reuse_to_trim(to_trim);
}
