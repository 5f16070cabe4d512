//! The keys of sessions, in the whole cluster: who has which is in records, one for each key, and a
//! record holds while the lease of the node that it names does. One shard of the server drives all
//! of it, in its turns; other threads and the records leave events for it.

mod calls;
mod claims;
mod context;
mod core;
pub(crate) mod event;
mod farewell;
mod holders;
mod inbox;
mod lease;
pub(crate) mod letters;
pub(crate) mod local;
mod open;
mod peers;
mod queries;
pub(crate) mod query;
#[cfg(test)]
mod tests;
mod untold;
mod waiting;
mod work;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use overlapped::Time;
use overlapped::driver::WakeHandle;

use self::calls::Calls;
use self::core::Core;
use self::event::{About, Event, Login};
use self::farewell::Farewell;
use self::inbox::Inbox;
use self::local::Local;
use self::open::Open;
use self::query::{DirectoryError, Query};
use super::mail::NodeMail;
use super::records::Records;

/// Rounds of one turn: answers that come at once are heard at once.
const MOST_ROUNDS: usize = 32;
/// Events of one round. What is left is for another turn of the shard, which has sessions too.
const MOST_PER_ROUND: usize = 256;

/// How long the end of a node waits for its lease to be gone.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The directory of one node.
pub(crate) struct KeyDirectory {
    inbox: Arc<Inbox>,
    core: Mutex<Core>,
    local: OnceLock<Weak<dyn Local>>,
    open: Arc<Open>,
    /// When the core has something to do without being told, in nanoseconds.
    deadline: AtomicU64,
    /// Which shards have ended.
    ended: Mutex<Vec<bool>>,
    farewell: Arc<Farewell>,
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
        let farewell = Farewell::new(&records, core::lease_of(node.0));
        let core = Core::new(node, lease, Calls::new(records, &inbox, &farewell));
        let (core, deadline) = (Mutex::new(core), AtomicU64::new(0));
        KeyDirectory { inbox, core, local: OnceLock::new(), open: Arc::default(), deadline, ended, farewell }
    }

    /// Tells whose directory it is.
    pub(crate) fn serve(&self, local: Weak<dyn Local>) {
        let _ = self.local.set(local);
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for a login.
    pub(crate) fn has_room(&self) -> bool {
        self.inbox.has_room()
    }

    /// A session has a key here, and wants it in the cluster. Whether there is room was asked
    /// before: each shard may add one more.
    pub(crate) fn login(&self, login: Login) {
        let _ = self.inbox.push(Event::Login(login));
    }

    /// A session has a key no longer.
    pub(crate) fn left(&self, key: Bytes) {
        let _ = self.inbox.push(Event::Left(key));
    }

    pub(crate) fn ask(&self, key: Bytes, query: Query) {
        let Some(place) = self.open.enter(query.bytes()) else { return query.refuse(DirectoryError::Full) };
        let query = query.holding(place);
        if let Err(Event::Query(_, query)) = self.inbox.offer(Event::Query(key, query)) {
            let why = if self.inbox.is_closed() { DirectoryError::Unreachable } else { DirectoryError::Full };
            query.refuse(why);
        }
    }

    /// Another node has written.
    pub(crate) fn hear(&self, mail: NodeMail) {
        // One that is lost is written again.
        let _ = self.inbox.offer(Event::Letter(mail));
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

    /// Does what there is to do. `clock` has the time of this moment, `send` takes a letter to
    /// another node.
    pub(crate) fn turn(&self, clock: impl Fn() -> Time, send: impl Fn(u64, &[u8])) {
        let Some(local) = self.local.get().and_then(Weak::upgrade) else { return };
        let mut done = Vec::new();
        let mut core = self.lock();
        for _ in 0..MOST_ROUNDS {
            let events = self.inbox.take(MOST_PER_ROUND);
            // Behind that: an answer is not judged by an earlier time than that of its call.
            let now = clock();
            let (letters, answered) = core.turn(events, &*local, now);
            for (node, key, letter) in letters {
                send(node, &letter.encode(&key));
            }
            done.extend(answered);
            if !self.inbox.has_any() && core.deadline() > now {
                break;
            }
        }
        self.deadline.store(core.deadline().as_nanos(), Ordering::Release);
        drop(core);
        done.into_iter().for_each(|tell| tell());
    }

    /// A shard has ended. Another drives, or, behind the last, the lease is given back.
    pub(crate) fn shard_ended(&self, shard: u16) {
        let is_last = {
            // Until another drives: it may end at this moment too.
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(ended) = ended.get_mut(usize::from(shard)) {
                *ended = true;
            }
            let next = ended.iter().position(|ended| !ended);
            if let Some(next) = next.filter(|_| self.inbox.driver() == usize::from(shard)) {
                self.inbox.set_driver(next);
            }
            next.is_none()
        };
        if is_last {
            let left = self.inbox.close();
            let (open, last) = self.lock().end();
            self.farewell.begin(last);
            open.into_iter().for_each(|query| query.refuse(DirectoryError::Unreachable));
            for event in left {
                match event {
                    Event::Query(_, query) => query.refuse(DirectoryError::Unreachable),
                    Event::Answer(About::OwnLease, answer) => self.farewell.answered(answer),
                    _ => {}
                }
            }
        }
    }

    /// Waits until the lease of a server whose shards have ended is gone, but not for long.
    pub(crate) fn wait_for_end(&self) {
        if !self.farewell.wait(LAST_WAIT) {
            tracing::warn!("the records do not answer: the keys of this node are free when its lease has run out");
        }
    }
}
