//! The keys of sessions, in the whole cluster: who has which is in records, one for each key, and a
//! record holds while the lease of the node that it names does. One shard of the server drives all
//! of it, in its turns; other threads and the records leave events for it.

mod calls;
mod claims;
mod context;
mod core;
pub(crate) mod event;
mod holders;
mod inbox;
mod lease;
pub(crate) mod letters;
pub(crate) mod local;
mod peers;
mod queries;
pub(crate) mod query;
mod work;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use overlapped::Time;
use overlapped::driver::WakeHandle;

use self::calls::Calls;
use self::core::Core;
use self::event::{Event, Login};
use self::inbox::Inbox;
use self::local::Local;
use self::query::{DirectoryError, Query};
use super::records::Records;

/// Rounds of one turn: answers that come at once are heard at once.
const MOST_ROUNDS: usize = 32;

/// The directory of one node.
pub(crate) struct KeyDirectory {
    inbox: Arc<Inbox>,
    core: Mutex<Core>,
    local: OnceLock<Weak<dyn Local>>,
    /// When the core has something to do without being told, in nanoseconds.
    deadline: AtomicU64,
    /// Which shards have ended.
    ended: Mutex<Vec<bool>>,
}

impl KeyDirectory {
    pub(super) fn new(
        node: (u64, &Arc<str>),
        records: Arc<dyn Records>,
        lease: Duration,
        shards: Vec<WakeHandle>,
    ) -> KeyDirectory {
        let ended = Mutex::new(vec![false; shards.len()]);
        let inbox = Inbox::new(shards);
        let core = Core::new(node, lease, Calls::new(records, &inbox));
        let (core, deadline) = (Mutex::new(core), AtomicU64::new(0));
        KeyDirectory { inbox, core, local: OnceLock::new(), deadline, ended }
    }

    /// Tells whose directory it is.
    pub(crate) fn serve(&self, local: Weak<dyn Local>) {
        let _ = self.local.set(local);
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session has a key here, and wants it in the cluster. Says whether there is room for that.
    pub(crate) fn login(&self, login: Login) -> bool {
        self.inbox.offer(Event::Login(login)).is_ok()
    }

    /// A session has a key no longer.
    pub(crate) fn left(&self, key: Bytes) {
        self.inbox.push(Event::Left(key));
    }

    pub(crate) fn ask(&self, key: Bytes, query: Query) {
        if let Err(Event::Query(_, query)) = self.inbox.offer(Event::Query(key, query)) {
            let why = if self.inbox.is_closed() { DirectoryError::Unreachable } else { DirectoryError::Full };
            query.refuse(why);
        }
    }

    /// Another node has written.
    pub(crate) fn hear(&self, from: u64, body: Bytes) {
        // One that is lost is written again.
        let _ = self.inbox.offer(Event::Letter { from, body });
    }

    /// Whether a shard drives it, and there is something to do.
    pub(crate) fn has_to_turn(&self, shard: u16, now: Time) -> bool {
        self.deadline(shard).is_some_and(|deadline| deadline <= now)
    }

    /// When a shard has something to do for it, if it drives.
    pub(crate) fn deadline(&self, shard: u16) -> Option<Time> {
        if self.inbox.driver() != usize::from(shard) {
            return None;
        }
        let nanos = if self.inbox.has_any() { 0 } else { self.deadline.load(Ordering::Acquire) };
        Some(Time::from_nanos(nanos))
    }

    /// Does what there is to do. `send` takes a letter to another node.
    pub(crate) fn turn(&self, now: Time, send: impl Fn(u64, &[u8])) {
        let Some(local) = self.local.get().and_then(Weak::upgrade) else { return };
        let mut core = self.lock();
        for _ in 0..MOST_ROUNDS {
            for (node, key, letter) in core.turn(self.inbox.take(), &*local, now) {
                send(node, &letter.encode(&key));
            }
            if !self.inbox.has_any() && core.deadline() > now {
                break;
            }
        }
        self.deadline.store(core.deadline().as_nanos(), Ordering::Release);
    }

    /// A shard has ended. Another drives, or, behind the last, the lease is given back.
    pub(crate) fn shard_ended(&self, shard: u16) {
        let next = {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(ended) = ended.get_mut(usize::from(shard)) {
                *ended = true;
            }
            ended.iter().position(|ended| !ended)
        };
        match next {
            Some(next) if self.inbox.driver() == usize::from(shard) => self.inbox.set_driver(next),
            Some(_) => {}
            None => {
                let left = self.inbox.close();
                self.lock().end();
                let left = left
                    .into_iter()
                    .filter_map(|event| if let Event::Query(_, query) = event { Some(query) } else { None });
                left.for_each(|query| query.refuse(DirectoryError::Unreachable));
            }
        }
    }
}
