//! What a chat says in the log of messages that were lost between nodes.

use proactor::Group;
use proactor::cluster::Gap;

pub(super) fn log_gap(room: Option<&Group>, gap: &Gap) {
    match room.and_then(Group::name) {
        Some(name) => tracing::warn!("room {}: {gap}", String::from_utf8_lossy(name)),
        None => tracing::warn!("{gap}"),
    }
}
