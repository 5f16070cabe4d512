//! How sessions join and leave groups.

use std::sync::Arc;

use bytes::Bytes;

use super::domain::Domain;
use super::{Group, local::LocalGroup};
#[cfg(feature = "websocket")]
use crate::codec::Framing;
use crate::error::JoinError;
use crate::limits::SlowConsumer;
use crate::session::{id::SessionId, table::Record};
use crate::shard::listeners::Profiles;
use crate::shard::state::ShardState;

/// Groups that one session may be a member of.
const MOST_GROUPS: usize = 64;

/// Makes a session a member, from what was issued after `stamp` on. If the group has no members of
/// the session's framing on the shard yet, the one of `locals` for that framing is used, or one
/// that begins now.
pub(crate) fn join(
    state: &mut ShardState,
    id: SessionId,
    group: &Group,
    stamp: u64,
    locals: Vec<LocalGroup>,
) -> Result<(), JoinError> {
    let ShardState { sessions, groups, outboxes, profiles, identities, .. } = state;
    let record = sessions.open(id).filter(|record| record.ends.takes_more() && record.partner().is_none());
    let record = record.ok_or(JoinError::Closed)?;
    let domain = Arc::clone(groups.domain());
    let framing = framing_of(record, profiles, &domain).ok_or(JoinError::OtherServer)?;
    let whole = group;
    let group = whole.framed(&domain, framing).ok_or(JoinError::OtherServer)?;
    let local = locals.into_iter().find(|local| local.group == group);
    let slot = groups.slot_of(&group);
    if slot.is_some_and(|slot| record.outbox.position(slot).is_some()) {
        return Ok(());
    }
    if record.outbox.positions.len() >= MOST_GROUPS {
        return Err(JoinError::TooMany);
    }
    let slot = match (slot, local) {
        (Some(slot), _) => slot,
        (None, Some(local)) => groups.insert(local),
        (None, None) => {
            let reader = group.reader(&domain).ok_or(JoinError::OtherServer)?;
            groups.insert(LocalGroup::new(group.clone(), reader).within(whole))
        }
    };
    let (position, member) = groups.add_member(slot, id, stamp);
    record.outbox.get_or_take(outboxes).join(slot, position, member);
    if let Some(presence) = groups.local().at(slot).and_then(|local| local.presence.as_ref()) {
        presence.joined(identities.of(id));
    }
    Ok(())
}

/// The number of a session's framing. `None`: groups have no frames for it.
pub(super) fn framing_of(record: &Record, profiles: &Profiles, domain: &Domain) -> Option<u8> {
    #[cfg(feature = "websocket")]
    if let Framing::WebSocket(websocket) = &record.codec
        && let Some(kind) = websocket.client_kind()
    {
        domain.note_client();
        return domain.client_framing(kind);
    }
    let _ = domain;
    let framing = profiles.of(record.activity.listener()).framing;
    #[cfg(feature = "websocket")]
    if let Framing::WebSocket(websocket) = &record.codec {
        return framing.checked_add(websocket.variant());
    }
    Some(framing)
}

/// Takes a session out of all its groups. What was issued up to a stamp is still queued for it;
/// without a stamp nothing is. Says whether the session is too slow and has to be closed.
#[must_use]
pub(crate) fn leave_all(state: &mut ShardState, slot: u32, upto: Option<u64>) -> bool {
    while let Some(group) = state.sessions.at(slot).and_then(|record| record.outbox.groups().next()) {
        if leave_one(state, slot, group, upto) {
            return true;
        }
    }
    false
}

/// Takes a session out of the local group in a slot, as [`leave_all`] does out of all.
#[must_use]
pub(crate) fn leave_one(state: &mut ShardState, slot: u32, group: u32, upto: Option<u64>) -> bool {
    let limits = state.limits;
    let ShardState { sessions, groups, outboxes, meter, identities, .. } = state;
    let Some(id) = sessions.id(slot) else { return false };
    let (Some(local), Some(record)) = (groups.at_mut(group), sessions.at_mut(slot)) else { return false };
    local.reader.refresh();
    let before = record.outbox.dropped();
    let Some(member) = record.outbox.leave(id, group, upto, limits.outbox, groups.local()) else { return false };
    let dropped = record.outbox.dropped() - before;
    let is_open = record.reason.is_none();
    let has_to_send = !record.sending && record.outbox.has_queued();
    let listener = record.activity.listener();
    if let (Some(meter), Some(outbox)) = (meter, record.outbox.get()) {
        outbox.tell(meter.of(listener));
    }
    record.outbox.give_back(outboxes);
    if has_to_send {
        sessions.send_later(slot);
    }
    if let Some(presence) = groups.local().at(group).and_then(|local| local.presence.as_ref()) {
        presence.left(identities.of(id));
    }
    let moved = groups.remove_member(group, member);
    if let Some(record) = moved.and_then(|moved| sessions.at_mut(moved)) {
        record.outbox.positions.set_member(group, member);
    }
    state.directory.count_dropped(id, listener, dropped);
    is_open && dropped > 0 && limits.slow != SlowConsumer::DropOldest
}

/// A session has another key now: the groups that are watched are told.
pub(crate) fn renamed(state: &ShardState, id: SessionId, before: Option<&Bytes>, after: Option<&Bytes>) {
    let Some(record) = state.sessions.at(id.slot()) else { return };
    for slot in record.outbox.groups() {
        if let Some(presence) = state.groups.local().at(slot).and_then(|local| local.presence.as_ref()) {
            presence.renamed(before, after);
        }
    }
}

/// A group is watched from now on: its members here are counted, unless they are already.
pub(crate) fn count_present(state: &mut ShardState, group: &Group) {
    let ShardState { groups, sessions, identities, .. } = state;
    let Some(presence) = group.presence() else { return };
    for framed in std::iter::once(group).chain(group.others()) {
        let local = groups.slot_of(framed).and_then(|slot| groups.at_mut(slot));
        let Some(local) = local.filter(|local| local.presence.is_none()) else { continue };
        local.presence = Some(Arc::clone(presence));
        for member in local.members() {
            presence.joined(sessions.id(*member).and_then(|id| identities.of(id)));
        }
    }
}

/// The stamp up to which nothing is missing among what is queued for a session.
///
/// The last count does not tell that: a record that was being appended then may have a lower stamp
/// than it, and a packet that was queued since may have been issued after that record.
pub(crate) fn complete_upto(state: &mut ShardState, slot: u32) -> u64 {
    let ShardState { sessions, groups, .. } = state;
    let Some(record) = sessions.at(slot) else { return u64::MAX };
    let counted = record.outbox.groups().filter_map(|group| Some(groups.at_mut(group)?.counted_upto()));
    counted.min().unwrap_or(u64::MAX)
}
