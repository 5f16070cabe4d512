//! The groups of a server that have a name.

use std::sync::Arc;

use bytes::Bytes;

use super::domain::Domain;
use super::{Clustered, Group, Inner, Name};
use crate::cluster::{link::Link, node::Node};
use crate::registry::{NameError, names::Names};

/// A group is in it as long as somebody holds it, and the shards of its members do.
#[derive(Default)]
pub(crate) struct GroupNames {
    names: Arc<Names<Inner>>,
    /// If the server is a node of a cluster.
    cluster: Option<(Arc<Node>, Arc<Domain>)>,
}

impl GroupNames {
    pub(crate) fn new(node: Option<&Arc<Node>>, domain: &Arc<Domain>) -> GroupNames {
        let cluster = node.map(|node| (Arc::clone(node), Arc::clone(domain)));
        GroupNames { names: Arc::default(), cluster }
    }

    /// The group of a name, made now if nobody holds it.
    pub(crate) fn get(&self, name: &[u8]) -> Result<Group, NameError> {
        let make = || {
            let bytes = Bytes::copy_from_slice(name);
            let mut inner = Inner::default();
            let clustered = |(node, domain): &(Arc<Node>, Arc<Domain>)| {
                Box::new(Clustered { link: Link::new(node, bytes.clone()), domain: Arc::clone(domain) })
            };
            inner.cluster = self.cluster.as_ref().map(clustered);
            inner.name = Some(Name { bytes, names: Arc::downgrade(&self.names) });
            Arc::new(inner)
        };
        self.names.get(name, make).map(|inner| Group { inner })
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<Group> {
        self.names.find(name).map(|inner| Group { inner })
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}
