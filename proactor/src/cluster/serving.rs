//! Which shards of a node still serve. A node stays in the cluster until its last session has gone,
//! and each of its shards has a part in that: one tells the others of the node, mail comes to all,
//! and each watches groups. So they end together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use overlapped::driver::WakeHandle;

pub(crate) struct Serving {
    /// Shards that have something left to serve.
    count: AtomicUsize,
    shards: Vec<WakeHandle>,
}

/// One shard's part.
pub(crate) struct Part {
    serving: Arc<Serving>,
    is_counted: bool,
}

impl Serving {
    pub(super) fn new(shards: Vec<WakeHandle>) -> Arc<Serving> {
        Arc::new(Serving { count: AtomicUsize::new(0), shards })
    }

    /// A shard begins, and serves.
    pub(crate) fn part(self: &Arc<Serving>) -> Part {
        self.count.fetch_add(1, Ordering::AcqRel);
        Part { serving: Arc::clone(self), is_counted: true }
    }
}

impl Part {
    /// Tells whether the shard has something left to serve.
    pub(crate) fn set(&mut self, serves: bool) {
        if std::mem::replace(&mut self.is_counted, serves) == serves {
            return;
        }
        let Serving { count, shards } = &*self.serving;
        if serves {
            count.fetch_add(1, Ordering::AcqRel);
        } else if count.fetch_sub(1, Ordering::AcqRel) == 1 {
            // They have waited for this.
            shards.iter().for_each(WakeHandle::wake);
        }
    }

    /// Whether no shard has.
    pub(crate) fn is_over(&self) -> bool {
        self.serving.count.load(Ordering::Acquire) == 0
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // A shard that has failed keeps no other.
        self.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_no_shard_serves_also_if_one_is_gone() {
        let serving = Serving::new(Vec::new());
        let [mut one, mut two, three] = [(); 3].map(|()| serving.part());
        one.set(false);
        one.set(false);
        drop(three);
        assert!(!one.is_over());
        one.set(true);
        two.set(false);
        assert!(!two.is_over(), "one has been handed something");
        drop(one);
        assert!(two.is_over());
    }
}
