//! What sessions are to be told, by their shard: one that takes nothing now holds up no other.

use std::collections::{BTreeMap, VecDeque};

use super::local::{Local, Notice};

#[derive(Default)]
pub(super) struct Untold(BTreeMap<u16, VecDeque<Notice>>);

impl Untold {
    pub(super) fn add(&mut self, notice: Notice) {
        self.0.entry(notice.shard()).or_default().push_back(notice);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells what the shards take. The rest is told later, in its order.
    pub(super) fn tell(&mut self, local: &dyn Local) {
        self.0.retain(|_, notices| {
            while let Some(notice) = notices.front() {
                if !local.tell(notice) {
                    return true;
                }
                notices.pop_front();
            }
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use overlapped::table::Key;

    use super::*;
    use crate::session::id::SessionId;
    use crate::session::reason::CloseReason;

    /// Shards that are full, and what was told.
    #[derive(Default)]
    struct Shards(Vec<u16>, Mutex<Vec<SessionId>>);

    impl Local for Shards {
        fn has(&self, _: &[u8], _: SessionId) -> bool {
            false
        }
        fn find(&self, _: &[u8]) -> Option<SessionId> {
            None
        }
        fn take(&self, _: &[u8]) -> Vec<SessionId> {
            Vec::new()
        }
        fn tell(&self, notice: &Notice) -> bool {
            let Notice::Ended { id, .. } = notice else { return false };
            let takes = !self.0.contains(&id.shard());
            if takes {
                self.1.lock().unwrap().push(*id);
            }
            takes
        }
        fn send(&self, _: &[u8], _: &Bytes) -> usize {
            0
        }
        fn close(&self, _: &[u8]) -> usize {
            0
        }
    }

    #[test]
    fn a_shard_that_is_full_holds_up_no_other() {
        let id = |shard, slot| SessionId::new(shard, Key::new(slot, 0));
        let mut untold = Untold::default();
        for id in [id(0, 1), id(1, 2), id(0, 3), id(1, 4)] {
            untold.add(Notice::Ended { id, key: Bytes::new(), reason: CloseReason::KeyLost });
        }
        let mut shards = Shards(vec![0], Mutex::default());
        untold.tell(&shards);
        assert_eq!(std::mem::take(&mut *shards.1.lock().unwrap()), [id(1, 2), id(1, 4)]);
        assert!(!untold.is_empty());
        shards.0.clear();
        untold.tell(&shards);
        assert_eq!(*shards.1.lock().unwrap(), [id(0, 1), id(0, 3)]);
        assert!(untold.is_empty());
    }
}
