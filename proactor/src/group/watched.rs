//! Groups whose presence is watched.

use std::sync::Arc;

use super::Group;
use super::presence::{Presence, PresenceHub, Present};
use crate::cluster::node::Node;

impl Group {
    /// Who is in the group, on all nodes of a [cluster](crate::cluster), as far as this server has
    /// heard. `None` unless it [is watched](crate::Handle::watch_presence).
    pub fn present(&self) -> Option<Present> {
        self.presence().map(|presence| presence.present())
    }

    /// Its presence, if it is watched.
    pub(crate) fn presence(&self) -> Option<&Arc<Presence>> {
        self.inner.presence.get()
    }

    /// Has it watched from now on. `None`: it has no name.
    pub(crate) fn watch(&self, hub: &Arc<PresenceHub>, node: Option<&Arc<Node>>) -> Option<&Arc<Presence>> {
        let name = &self.inner.name.as_ref()?.bytes;
        Some(self.inner.presence.get_or_init(|| Presence::new(name, hub, node)))
    }
}
