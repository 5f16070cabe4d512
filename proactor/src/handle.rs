//! The server, from any thread.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use overlapped::Address;
use overlapped::driver::{Stream, WakeHandle};
use overlapped::mailbox::{MailError, Sender};

use crate::codec::Framing;
use crate::connector::{AttemptId, Found, Resolver, Wanted};
use crate::error::{JoinError, SendError};
use crate::group::{Bell, Group};
use crate::limits::{Admission, Permit};
use crate::room::{Clock, Room};
use crate::session::SessionId;
use crate::settings::Settings;
use crate::stats::Stats;

/// A connection that has been admitted.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: Address,
    pub(crate) permit: Permit,
}

/// What shards are told by other threads.
pub(crate) enum Mail {
    /// A connection, counted in the shard's load already.
    Accepted(Accepted),
    /// With the latest stamp of the moment.
    Send(SessionId, Bytes, u64),
    /// With the latest stamp of the moment, and a room that has seen nothing later.
    Join(SessionId, Group, u64, Box<Room>),
    /// With the latest stamp of the moment.
    Leave(SessionId, Group, u64),
    Close(SessionId),
    /// A connection is to be made; it is counted in the shard's load already.
    Connect(Box<Wanted>),
    /// What a name's look-up brought.
    Found(AttemptId, Found),
}

pub(crate) const RUNNING: u8 = 0;
pub(crate) const DRAINING: u8 = 1;
pub(crate) const STOPPING: u8 = 2;

/// One shard, as others see it.
pub(crate) struct Post {
    pub(crate) mail: Sender<Mail>,
    pub(crate) wake: WakeHandle,
    /// Sessions it has, or is about to be handed.
    pub(crate) load: Arc<AtomicUsize>,
    /// Where it is told of groups' news.
    pub(crate) bell: Bell,
}

/// What all of the server shares.
pub(crate) struct Shared {
    pub(crate) posts: Vec<Post>,
    /// What the server is told to do; it only goes up.
    pub(crate) phase: AtomicU8,
    /// How long draining may take, in nanoseconds.
    pub(crate) patience: AtomicU64,
    pub(crate) admission: Admission,
    /// Places of outbound sessions, and of those that are being connected.
    pub(crate) outbound: Admission,
    /// Where names are looked up; there is none on a simulated network.
    pub(crate) resolver: Option<Resolver>,
    /// What has been counted; how many sessions there are, admission knows.
    stats: Mutex<Stats>,
    /// What stamps are taken from.
    pub(crate) clock: Clock,
    /// Bytes that may be queued for one session.
    pub(crate) outbox_bytes: usize,
    /// The codec that groups frame their packets with.
    pub(crate) codec: Mutex<Framing>,
}

impl Shared {
    pub(crate) fn new(
        posts: Vec<Post>,
        settings: &Settings,
        outbox_bytes: usize,
        codec: Framing,
        resolver: Option<Resolver>,
    ) -> Shared {
        Shared {
            posts,
            phase: AtomicU8::new(RUNNING),
            patience: AtomicU64::new(0),
            admission: Admission::new(settings.admission),
            outbound: Admission::new(settings.outbound_limits()),
            resolver,
            stats: Mutex::default(),
            clock: Clock::default(),
            outbox_bytes,
            codec: Mutex::new(codec),
        }
    }

    /// The counts, to be added to.
    pub(crate) fn stats(&self) -> MutexGuard<'_, Stats> {
        // Nothing that holds it can panic half-way.
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sessions(&self) -> usize {
        self.admission.sessions().0
    }

    pub(crate) fn tell(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::AcqRel);
        for post in &self.posts {
            post.wake.wake();
        }
    }
}

/// A running server, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Ends the server at once: what is queued is thrown away. [`Server::wait`](crate::Server::wait) returns when it has ended.
    pub fn stop(&self) {
        self.shared.tell(STOPPING);
    }

    /// Ends the server in order: accepts no more, sends what is queued, closes gracefully; what takes longer than
    /// `patience` is closed at once. Packets that arrive from now on are not handed over.
    pub fn drain(&self, patience: Duration) {
        let nanos = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        self.shared.patience.store(nanos, Ordering::Release);
        self.shared.tell(DRAINING);
    }

    /// Accepted sessions there are now, on all shards.
    pub fn sessions(&self) -> usize {
        self.shared.sessions()
    }

    /// What the server has counted: sessions accepted, refused and closed, by reason; packets dropped.
    pub fn stats(&self) -> Stats {
        let (sessions, handshakes) = self.shared.admission.sessions();
        let mut stats = self.shared.stats().clone();
        (stats.sessions, stats.handshakes) = (sessions, handshakes);
        stats.outbound = self.shared.outbound.sessions().0;
        stats
    }

    /// Queues a packet for a session. If the session has ended by the time it reaches its shard it is dropped; if its frame does not
    /// fit into its outbox, the session is closed as too slow; if the server's codec has no frame for it, it is dropped and the log says so.
    ///
    /// # Errors
    /// `Full` if the shard's mailbox is full, `Closed` if the shard has ended.
    pub fn send(&self, id: SessionId, packet: impl Into<Bytes>) -> Result<(), SendError> {
        self.mail(id, Mail::Send(id, packet.into(), self.shared.clock.now()))
    }

    /// Makes a session a member of a group: it gets what is broadcast to it from now on. Does nothing if the session has ended, or is a member of 64 groups, by the
    /// time its shard learns of this.
    ///
    /// # Errors
    /// `Full` if the shard's mailbox is full, `Closed` if the shard has ended, `OtherServer` if the group has had members of another server.
    pub fn join(&self, id: SessionId, group: &Group) -> Result<(), JoinError> {
        let home = group.home(&self.shared).ok_or(JoinError::OtherServer)?;
        // The latest stamp first: what the room has not seen is later.
        let stamp = self.shared.clock.now();
        let room = Box::new(Room::new(home.log.reader()));
        self.mail(id, Mail::Join(id, group.clone(), stamp, room)).map_err(|error| match error {
            SendError::Full => JoinError::Full,
            _ => JoinError::Closed,
        })
    }

    /// Ends a session's membership in a group, if there is one. What was broadcast before is still sent.
    ///
    /// # Errors
    /// As for [`send`](Handle::send).
    pub fn leave(&self, id: SessionId, group: &Group) -> Result<(), SendError> {
        self.mail(id, Mail::Leave(id, group.clone(), self.shared.clock.now()))
    }

    /// Closes a session gracefully; does nothing if it has ended.
    ///
    /// # Errors
    /// As for [`send`](Handle::send).
    pub fn close(&self, id: SessionId) -> Result<(), SendError> {
        self.mail(id, Mail::Close(id))
    }

    fn mail(&self, id: SessionId, mail: Mail) -> Result<(), SendError> {
        let post = self.shared.posts.get(usize::from(id.shard)).ok_or(SendError::Closed)?;
        post.mail.send(mail).map_err(|error| match error {
            MailError::Full(_) => SendError::Full,
            MailError::Closed(_) => SendError::Closed,
        })
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("sessions", &self.sessions()).finish()
    }
}
