//! What all groups of one server share: stamps, which order what they broadcast and private sends
//! among it, and how a shard learns that groups have news.
//!
//! # Why one counter for a server, and not positions in the logs
//!
//! The documentation promises that private sends and broadcasts reach a member in the order in
//! which they were issued, those of several groups too. Two designs were compared.
//!
//! - **Positions.** A record is named by its position in its group's log, and a private send notes
//!   the end of each log that its session reads. That orders a private send among the records of
//!   each log. It does not order two logs: if a thread broadcasts to group A and then to group B,
//!   nothing in B says that the record in A came first. Every record would have to carry the
//!   positions of all other logs. And a [`Handle::send`](crate::Handle::send) from another thread
//!   would have to note positions in logs without knowing the session's groups.
//! - **A counter.** Each broadcast takes the next stamp, and a private send notes the last one.
//!   One number compares everything. It costs a cache line that all broadcasts of a server write.
//!
//! The counter was chosen, for positions cannot keep the promise simply. It is confined to where
//! groups are: it belongs to [`Domain`], only broadcasts write it, and a
//! private send reads it only if its session is a member of a group. What handlers broadcast in a
//! turn is counted per thread ([`broadcast_by_thread`]), not by reading the counter around each
//! call.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use overlapped::driver::WakeHandle;

use crate::codec::Framing;
use crate::session::id::SessionId;
#[cfg(feature = "websocket")]
use crate::{
    codec::{MOST_FRAME_BYTES, WebSocketFraming},
    websocket::{MessageKind, WebSocket, frame::Role, framing::Settings},
};

/// A server, as its groups know it.
pub(crate) struct Domain {
    pub(crate) clock: Clock,
    /// One for each shard.
    pub(super) notifiers: Vec<Notifier>,
    /// Frame the packets of groups: the server's codec, then those that listeners have instead.
    framings: Mutex<Vec<Framing>>,
    /// How many of these are of listeners. Behind them come those of WebSocket clients: binary, and
    /// text.
    listening: usize,
    /// There are or were such clients.
    has_clients: AtomicBool,
    /// Bytes that may be queued for one session.
    pub(super) outbox_bytes: usize,
}

impl Domain {
    pub(crate) fn new(notifiers: Vec<Notifier>, framings: Vec<Framing>, outbox_bytes: usize) -> Domain {
        let (listening, framings, has_clients) = (framings.len(), Mutex::new(framings), AtomicBool::new(false));
        Domain { clock: Clock::default(), notifiers, framings, listening, has_clients, outbox_bytes }
    }

    /// The framings of connections that the server makes and upgrades to WebSocket, besides.
    #[cfg(feature = "websocket")]
    pub(crate) fn with_clients(self, is_simulated: bool) -> Domain {
        let framings = [WebSocket::new(), WebSocket::new().text()].map(|websocket| {
            let websocket = websocket.max_message(MOST_FRAME_BYTES);
            let settings = Settings::new(websocket, Role::Client, is_simulated);
            Framing::WebSocket(Box::new(WebSocketFraming::new(settings.into())))
        });
        self.framings.lock().unwrap_or_else(PoisonError::into_inner).extend(framings);
        self
    }

    /// A session is the client's end of a WebSocket, so groups may have members with that framing.
    #[cfg(feature = "websocket")]
    pub(crate) fn note_client(&self) {
        self.has_clients.store(true, Ordering::Relaxed);
    }

    /// The number of the framing of a WebSocket client. `None`: a server with so many listeners has
    /// none.
    #[cfg(feature = "websocket")]
    pub(crate) fn client_framing(&self, kind: MessageKind) -> Option<u8> {
        u8::try_from(self.listening + usize::from(kind == MessageKind::Text)).ok()
    }

    /// A clone of a codec, as the server was built with it.
    pub(super) fn codec(&self, framing: usize) -> Framing {
        self.framings.lock().unwrap_or_else(PoisonError::into_inner)[framing].clone()
    }

    /// How many framings the sessions of the server have: at most 256.
    pub(super) fn framing_count(&self) -> usize {
        self.framings.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The numbers of these framings.
    pub(crate) fn framings(&self) -> impl Iterator<Item = u8> {
        let count = if self.has_clients.load(Ordering::Relaxed) { self.framing_count() } else { self.listening };
        (0..=u8::MAX).take(count)
    }
}

/// One shard's list of groups that have news. Broadcasting threads write it, the shard takes it.
pub(crate) struct Notifier {
    pending: Mutex<Pending>,
    /// The stamp of the earliest news that the shard has not taken; `NO_NEWS` if there are none.
    oldest: AtomicU64,
    wake: WakeHandle,
}

const NO_NEWS: u64 = u64::MAX;

#[derive(Default)]
struct Pending {
    /// Slots of the shard's local groups. A group is in it about once: it notifies only when its
    /// flag goes up.
    groups: Vec<u32>,
    /// The shard waits, and has to be woken.
    waiting: bool,
}

impl Notifier {
    pub(crate) fn new(wake: WakeHandle) -> Notifier {
        Notifier { pending: Mutex::default(), oldest: AtomicU64::new(NO_NEWS), wake }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a group whose news begin with this stamp, and wakes the shard if it waits. A shard that
    /// does not wait takes the list before it does.
    pub(crate) fn notify(&self, group: u32, stamp: u64) {
        let waits = {
            let mut pending = self.lock();
            if pending.groups.is_empty() {
                self.oldest.store(stamp, Ordering::Relaxed);
            }
            pending.groups.push(group);
            std::mem::take(&mut pending.waiting)
        };
        if waits {
            self.wake.wake();
        }
    }

    /// Whether the shard may wait because there are no news. If so, the next ones wake it.
    pub(crate) fn may_wait(&self) -> bool {
        let mut pending = self.lock();
        pending.waiting = pending.groups.is_empty();
        pending.waiting
    }

    /// The stamp of the earliest news that the shard has not taken; `u64::MAX` if there are none.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::Relaxed)
    }

    /// Whether there are news, as far as this thread has heard.
    pub(crate) fn has_news(&self) -> bool {
        self.oldest() != NO_NEWS
    }

    /// Takes the groups that have news. The shard does not wait, so no more wake-ups are needed.
    pub(crate) fn take(&self, groups: &mut Vec<u32>) {
        let mut pending = self.lock();
        pending.waiting = false;
        self.oldest.store(NO_NEWS, Ordering::Relaxed);
        groups.append(&mut pending.groups);
    }
}

/// What a record of a group's log carries besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BroadcastHeader {
    pub(crate) stamp: u64,
    /// The member that does not get it.
    pub(crate) except: Option<SessionId>,
}

/// Gives stamps, which only go up: what was issued later has the higher one. A stamp goes up by the
/// room that its broadcast takes in a log, so two stamps also tell how much was broadcast between
/// them.
///
/// Reading a stamp makes visible all that was done on any thread before that stamp was given:
/// records with lower stamps, and mail.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

/// What a short record takes in a segment of a log: the segment's index has room for one in so many
/// bytes.
const LEAST_RECORD_BYTES: usize = 64;

thread_local! {
    static BROADCAST: Cell<u64> = const { Cell::new(0) };
}

/// Bytes that this thread has broadcast since [`reset_broadcast_by_thread`].
#[inline]
pub(crate) fn broadcast_by_thread() -> u64 {
    BROADCAST.get()
}

/// Starts a new count for this thread, and returns the old one.
pub(crate) fn reset_broadcast_by_thread() -> u64 {
    BROADCAST.replace(0)
}

impl Clock {
    /// The next stamp, for a broadcast of so many bytes.
    pub(crate) fn tick(&self, bytes: usize) -> u64 {
        let bytes = bytes.max(LEAST_RECORD_BYTES) as u64;
        BROADCAST.set(BROADCAST.get() + bytes);
        self.0.fetch_add(bytes, Ordering::AcqRel) + bytes
    }

    /// The latest stamp.
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_counts_its_own_broadcasts_only() {
        reset_broadcast_by_thread();
        let clock = Clock::default();
        assert_eq!(clock.tick(1), 64, "a short record counts as the room that it takes");
        std::thread::scope(|scope| scope.spawn(|| clock.tick(1000)).join().unwrap());
        assert_eq!((clock.now(), broadcast_by_thread()), (1064, 64));
        assert_eq!((reset_broadcast_by_thread(), broadcast_by_thread()), (64, 0));
    }
}
