//! Groups: what is broadcast is framed once, stored once, and sent to every member from where it lies.
//!
//! A group owns the log that its broadcasts are appended to. A shard that has members reads the log through a room of its own; a member is a position in it. A broadcast
//! appends, and tells each shard that has members that there is news: a flag for each group and shard, a list of flagged groups for each shard, and one wake-up for a
//! shard that waits. So what a broadcast costs its caller depends on the number of shards, not of members, and no member can hold it up.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use overlapped::driver::WakeHandle;
use overlapped::log::{Log, LogConfig};

use crate::codec::{Codec, FrameError, Framing};
use crate::error::SendError;
use crate::handle::Shared;
use crate::room::Mark;
use crate::session::SessionId;

const SEGMENT_BYTES: usize = 64 * 1024;
/// The longest frame a log can be made for.
const MOST_FRAME: usize = 16 << 20;
/// Bytes of an unusually long frame's memory that are not kept.
const KEPT_FRAME: usize = 64 * 1024;

/// A set of sessions to which packets are broadcast. Cheap to clone; all clones are the same group, on any thread.
///
/// A session becomes a member with [`Session::join`](crate::Session::join), and is none any more when it [leaves](crate::Session::leave) or ends. It gets what is
/// broadcast from then on. Private sends and broadcasts reach it in the order in which they were issued, those of several groups too.
///
/// A broadcast is framed once, by the server's codec as it was built (not by what a session has made of its own clone), and stored once. It waits for no
/// member; a member that does not take what is sent to it is met by the server's [`SlowConsumer`](crate::SlowConsumer), and for what it is behind its
/// [`outbox_bytes`](crate::Builder::outbox_bytes) are the limit, private sends included.
///
/// Sessions whose packets are broadcast are handed them no faster than the members' shards can look at what there is, for a moment; what threads of the program's own
/// broadcast is not held back. A member has lost what its group's log no longer holds, which is at least four times `outbox_bytes`, whoever was late.
///
/// The sessions of a group are those of one server, the first that one of its sessions has joined.
///
/// ```
/// use proactor::{Flow, Group, Handler, Server, Session};
///
/// /// What one says, the others hear.
/// #[derive(Clone)]
/// struct Chat {
///     room: Group,
/// }
///
/// impl Handler for Chat {
///     type State = ();
///     fn connected(&mut self, session: &Session) {
///         session.join(&self.room).expect("a session that has just come joins its first group");
///     }
///     fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
///         let _ = self.room.broadcast_except(session.id(), packet);
///         Flow::Continue
///     }
/// }
///
/// # fn main() -> Result<(), proactor::ServerError> {
/// let room = Group::new();
/// let server = Server::builder().bind("127.0.0.1:0").shards(1).start(Chat { room: room.clone() })?;
/// # use std::io::Read;
/// let mut client = std::net::TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
/// while room.is_empty() {
///     std::thread::yield_now();
/// }
/// room.broadcast(b"welcome").unwrap();
/// let mut heard = [0; 7];
/// client.read_exact(&mut heard).unwrap();
/// assert_eq!(&heard, b"welcome");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Group {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    members: AtomicUsize,
    home: OnceLock<Home>,
}

/// What a group has from its first member on.
pub(crate) struct Home {
    server: Arc<Shared>,
    pub(crate) log: Log<Mark>,
    frame_limit: usize,
    encoder: Mutex<Encoder>,
    /// For each shard.
    pub(crate) halls: Box<[Hall]>,
}

struct Encoder {
    codec: Framing,
    frame: Vec<u8>,
}

/// A group on one shard, as others see it.
pub(crate) struct Hall {
    members: AtomicUsize,
    /// The shard has been told of news, and has not looked yet.
    flagged: AtomicBool,
    /// Its room there, or `NONE`. Set by the shard's own thread.
    room: AtomicU32,
}

pub(crate) const NONE: u32 = u32::MAX;

impl Group {
    /// Makes a group without members.
    pub fn new() -> Group {
        Group::default()
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        // Whoever sees a member can broadcast to it: with it comes the home that it was counted in after.
        self.inner.members.load(Ordering::Acquire)
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends a packet to all members. Costs the same for one and for thousands, and never waits for any.
    ///
    /// # Errors
    /// `Frame` if the server's codec has no frame for it, or one of more than half of [`outbox_bytes`](crate::Builder::outbox_bytes) (or 16 MiB).
    pub fn broadcast(&self, packet: &[u8]) -> Result<(), SendError> {
        self.send(packet, None)
    }

    /// As [`broadcast`](Group::broadcast), to all members but one.
    ///
    /// # Errors
    /// As for [`broadcast`](Group::broadcast).
    pub fn broadcast_except(&self, except: SessionId, packet: &[u8]) -> Result<(), SendError> {
        self.send(packet, Some(except))
    }

    /// Bytes of memory that its log takes, with what sends in flight still hold of it.
    pub fn log_memory(&self) -> usize {
        self.inner.home.get().map_or(0, |home| home.log.memory())
    }

    fn send(&self, packet: &[u8], except: Option<SessionId>) -> Result<(), SendError> {
        // Without a home nobody has ever joined, or is about to.
        self.inner.home.get().map_or(Ok(()), |home| home.send(packet, except))
    }

    /// The group's home on this server, made if it has none; `None` if that is another server.
    pub(crate) fn home(&self, server: &Arc<Shared>) -> Option<&Home> {
        let home = self.inner.home.get_or_init(|| Home::new(server));
        Arc::ptr_eq(&home.server, server).then_some(home)
    }

    /// A session of the shard becomes a member. Before it is given its position, so that a broadcast either is before that or sees that the
    /// shard has a member.
    pub(crate) fn count_in(&self, shard: u16) {
        self.inner.members.fetch_add(1, Ordering::Release);
        if let Some(home) = self.inner.home.get() {
            home.halls[usize::from(shard)].members.fetch_add(1, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
    }

    pub(crate) fn count_out(&self, shard: u16) {
        self.inner.members.fetch_sub(1, Ordering::Relaxed);
        if let Some(home) = self.inner.home.get() {
            home.halls[usize::from(shard)].members.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn hall(&self, shard: u16) -> Option<&Hall> {
        self.inner.home.get().map(|home| &home.halls[usize::from(shard)])
    }
}

impl Home {
    fn new(server: &Arc<Shared>) -> Home {
        let outbox = server.outbox_bytes;
        let record_bytes = (outbox / 2).clamp(1, MOST_FRAME);
        // Whoever is further behind than an outbox may be is met by the policy; the log holds enough that this comes first.
        let log_bytes = 4 * outbox + SEGMENT_BYTES + record_bytes;
        let log =
            Log::new(LogConfig::new().segment_bytes(SEGMENT_BYTES).record_bytes(record_bytes).log_bytes(log_bytes));
        let log = log.expect("sizes within what a log may have");
        let hall =
            || Hall { members: AtomicUsize::new(0), flagged: AtomicBool::new(false), room: AtomicU32::new(NONE) };
        let halls = std::iter::repeat_with(hall).take(server.posts.len()).collect();
        let codec = server.codec.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let encoder = Mutex::new(Encoder { codec, frame: Vec::new() });
        Home { server: Arc::clone(server), log, frame_limit: record_bytes, encoder, halls }
    }

    fn send(&self, packet: &[u8], except: Option<SessionId>) -> Result<(), SendError> {
        let mut stamp = 0;
        {
            // A panic of a codec leaves bytes that the next frame begins by clearing.
            let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
            let Encoder { codec, frame } = &mut *encoder;
            let frame = match codec {
                Framing::Raw(_) => packet,
                codec => {
                    frame.clear();
                    frame.shrink_to(KEPT_FRAME);
                    codec.encode(packet, frame).map_err(SendError::Frame)?;
                    frame
                }
            };
            if frame.len() > self.frame_limit {
                return Err(SendError::Frame(FrameError::TooLarge { limit: self.frame_limit }));
            }
            let mark = || {
                stamp = self.server.clock.tick(frame.len());
                Mark { stamp, except }
            };
            self.log.append(&[frame], mark).expect("the frame is within the log's limit");
        }
        // Between the record and the look at who is there: see `count_in`.
        fence(Ordering::SeqCst);
        for (hall, post) in self.halls.iter().zip(&self.server.posts) {
            if hall.members.load(Ordering::Relaxed) > 0 && !hall.flagged.swap(true, Ordering::AcqRel) {
                post.bell.ring(hall.room.load(Ordering::Acquire), stamp, &post.wake);
            }
        }
        Ok(())
    }
}

impl Hall {
    pub(crate) fn room(&self) -> u32 {
        self.room.load(Ordering::Relaxed)
    }

    /// The group has another room on the shard, or none. What it was told of before is what came before the room.
    pub(crate) fn set_room(&self, room: u32) {
        self.room.store(room, Ordering::Release);
        self.flagged.swap(false, Ordering::AcqRel);
    }

    /// The shard is about to look: what is broadcast from now on is news again.
    pub(crate) fn lower_flag(&self) {
        self.flagged.swap(false, Ordering::AcqRel);
    }
}

impl PartialEq for Group {
    /// Whether they are the same group.
    fn eq(&self, other: &Group) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Eq for Group {}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("members", &self.len()).finish()
    }
}

/// Where a shard is told which of its rooms have news.
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    /// The stamp of the earliest news that it has not looked at; `MAX` if there are none.
    since: AtomicU64,
}

#[derive(Default)]
struct Rung {
    /// Each room is in it about once, for a group rings only when its flag goes up.
    rooms: Vec<u32>,
    /// The shard waits, and has to be woken.
    waiting: bool,
}

impl Bell {
    pub(crate) fn new() -> Bell {
        Bell { rung: Mutex::default(), since: AtomicU64::new(u64::MAX) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, room: u32, stamp: u64, wake: &WakeHandle) {
        let waits = {
            let mut rung = self.lock();
            if rung.rooms.is_empty() {
                self.since.store(stamp, Ordering::Relaxed);
            }
            rung.rooms.push(room);
            std::mem::take(&mut rung.waiting)
        };
        // A shard that does not wait looks before it does.
        if waits {
            wake.wake();
        }
    }

    /// Whether the shard may wait: nothing has been rung. If it is rung from now on the shard is woken.
    pub(crate) fn wait(&self) -> bool {
        let mut rung = self.lock();
        rung.waiting = rung.rooms.is_empty();
        rung.waiting
    }

    /// The stamp of the earliest news that have not been taken; `MAX` if there are none.
    pub(crate) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// Whether there are news that have not been taken, as far as this thread has heard.
    pub(crate) fn is_rung(&self) -> bool {
        self.since() != u64::MAX
    }

    /// Takes the rooms that have news, and needs no waking for more: the shard does not wait.
    pub(crate) fn take(&self, rooms: &mut Vec<u32>) {
        let mut rung = self.lock();
        rung.waiting = false;
        self.since.store(u64::MAX, Ordering::Relaxed);
        rooms.append(&mut rung.rooms);
    }
}
