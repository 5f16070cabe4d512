//! What a shard does for the server as a node of a cluster: it takes mail of other nodes, and tells
//! them how this one is.

use overlapped::Time;

use super::directory::{Directory, Phase};
use super::state::ShardState;
use crate::cluster::mail::{MailKind, NodeMail};
use crate::cluster::node::Node;
use crate::cluster::nodes::{Heard, TELL_EVERY};
use crate::cluster::status::Status;

/// How the server is as a node, at this moment of its clock.
pub(crate) fn status(directory: &Directory, node: &Node, now: Time) -> Status {
    Status {
        drains: directory.phase() != Phase::Running,
        ends: false,
        shards: directory.shard_count(),
        sessions: u32::try_from(directory.admission.sessions().0).unwrap_or(u32::MAX),
        keys: directory.keys.len() as u64,
        uptime: now.since(directory.began),
        lag: node.lag(),
    }
}

/// Takes mail of another node.
pub(super) fn received(state: &mut ShardState, mail: NodeMail) {
    let (directory, now) = (&state.directory, state.driver.now());
    let Some(node) = &directory.node else { return };
    match mail.kind {
        MailKind::Status => {
            let Some(of_other) = Status::parse(&mail.body) else {
                tracing::warn!("{mail:?} is dropped: no node of a cluster has made it");
                return;
            };
            let heard = node.nodes.heard(mail.from, mail.node.clone(), of_other, now);
            if heard == (Heard::New { owes: true }) {
                node.tell(&status(directory, node, now), now);
            }
            let watched = || directory.presence.watched().into_iter();
            match heard {
                Heard::New { .. } => watched().for_each(|presence| presence.node_came(mail.from)),
                Heard::Ended => watched().for_each(|presence| presence.node_left(mail.from)),
                Heard::Known => {}
            }
        }
        MailKind::Keys => {
            if let Some(keys) = &node.directory {
                keys.hear(mail);
            }
        }
        // The shard itself takes them: `handing_over.rs`.
        MailKind::Sessions => {}
    }
}

/// Tells the other nodes how this one is, if it is time, and looks who of them is gone. Says
/// whether it was.
pub(super) fn tell(state: &mut ShardState) -> bool {
    let now = state.driver.now();
    let is_due = state.next_tell.is_some_and(|at| at <= now);
    let directory = &state.directory;
    let Some(node) = directory.node.as_ref().filter(|_| is_due) else { return is_due };
    node.tell(&status(directory, node, now), now);
    directory.hand_overs.expire(now);
    let ((gone, nodes), is_unsure) = (node.nodes.expire(now), node.take_unsure());
    for presence in directory.presence.watched() {
        gone.iter().for_each(|number| presence.node_left(*number));
        presence.look_again(&nodes);
        if is_unsure {
            presence.may_have_missed();
        }
    }
    state.next_tell = Some(now + TELL_EVERY);
    is_due
}
