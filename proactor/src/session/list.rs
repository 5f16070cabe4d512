//! Listing a shard's sessions, some in each turn.

use super::info::SessionInfo;
use crate::panic::contained;
use crate::shard::listing::Job;
use crate::shard::state::ShardState;
use crate::transport::Transport;

/// Sessions looked at in a turn, for all lists together.
const MOST_PER_TURN: u32 = 1_000;

/// Goes on with the lists that are being made. Returns those that are complete, to be dropped when
/// nothing is borrowed: that calls wakers.
pub(crate) fn go_on(state: &mut ShardState) -> Vec<Job> {
    let mut complete = Vec::new();
    let mut left = MOST_PER_TURN;
    while left > 0 {
        let Some(mut job) = state.listings.pop_front() else { break };
        let end = state.sessions.slots().end.min(job.end);
        let upto = end.min(job.next.saturating_add(left));
        left -= upto.saturating_sub(job.next);
        let mut found = Vec::new();
        let mut is_over = job.is_given_up();
        for slot in job.next..upto {
            let Some(info) = (!is_over).then(|| info(state, slot)).flatten() else { continue };
            match contained(|| job.is_wanted(&info)) {
                Ok(true) => found.push(info),
                Ok(false) => {}
                Err(_) => {
                    tracing::error!("the filter of a list of sessions panicked: the list is cut short");
                    is_over = true;
                }
            }
        }
        job.next = upto;
        job.add(found);
        match is_over || upto == end {
            true => complete.push(job),
            false => state.listings.push_front(job),
        }
    }
    complete
}

fn info(state: &mut ShardState, slot: u32) -> Option<SessionInfo> {
    let ShardState { sessions, directory, identities, timers, transports, groups, meter, .. } = state;
    let ShardState { traffics, datagrams, .. } = state;
    let id = sessions.id(slot)?;
    let (record, peer) = sessions.open_with_peer(slot)?;
    if record.has_transport() && transports.at(slot).is_some_and(Transport::is_unknown) {
        // The logic does not know it yet.
        return None;
    }
    #[cfg(feature = "http")]
    if record.link.as_ref().is_some_and(|link| link.is_served.get()) {
        return None;
    }
    let traffic = match datagrams {
        _ if meter.is_none() => None,
        Some(ports) if record.is_datagrams() => ports.peers.at(slot).map(|peer| peer.traffic),
        _ => traffics.of(slot),
    };
    let names = record.outbox.groups().filter_map(|group| groups.local().at(group)?.name());
    let group_names = names.collect();
    let key = identities.of(id).filter(|key| directory.keys.has(key, id)).cloned();
    Some(SessionInfo {
        id,
        peer,
        origin: record.origin(),
        listener: directory.listeners.get(usize::from(record.activity.listener())).cloned(),
        key,
        age: timers.age(&record.activity),
        queued: record.outbox.len(),
        holds: record.holds,
        groups: record.outbox.positions.len(),
        group_names,
        traffic,
    })
}
