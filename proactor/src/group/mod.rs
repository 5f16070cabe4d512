//! Groups: what is broadcast is framed once, stored once, and sent to every member from where it
//! lies.
//!
//! A group owns the log that its broadcasts are appended to. A shard that has members reads the log
//! as a local group; a member is a position in it. A broadcast appends to the log and notifies each
//! shard that has members. So its cost depends on the number of shards, not of members, and no
//! member can hold it up.

pub(crate) mod domain;
pub(crate) mod fanout;
pub(crate) mod local;
pub(crate) mod membership;
pub(crate) mod shard_groups;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use overlapped::log::{Log, LogConfig, LogReader};

use self::domain::{BroadcastHeader, Domain};
use crate::codec::{Codec, FrameError, Framing};
use crate::error::SendError;
use crate::session::id::SessionId;

const SEGMENT_BYTES: usize = 64 * 1024;
/// The longest frame a log can be made for.
const MOST_FRAME_BYTES: usize = 16 << 20;
/// The encoder frees memory beyond this, which one long frame needed.
const KEPT_FRAME_BYTES: usize = 64 * 1024;

/// A set of sessions to which packets are broadcast. Cheap to clone; all clones are the same group,
/// on any thread.
///
/// A session becomes a member with [`Session::join`](crate::Session::join), and stops being one
/// when it [leaves](crate::Session::leave) or ends. It gets what is broadcast from then on. Private
/// sends and broadcasts reach it in the order in which they were issued, those of several groups
/// too.
///
/// A broadcast is framed once, by the server's codec as it was built (not by a session's changed
/// clone), and stored once. It waits for no member. The server's
/// [`SlowConsumer`](crate::SlowConsumer) policy applies to a member that does not take what is sent
/// to it. Its limit is [`outbox_bytes`](crate::Limits::outbox_bytes), for broadcasts and private
/// sends together.
///
/// The server's own handlers are held back for a moment if they broadcast faster than the members'
/// shards can deliver. Broadcasts from the program's other threads are not held back. The log holds
/// at least four times `outbox_bytes`; a member that is further behind has lost the rest.
///
/// The sessions of a group are those of one server, the first that one of its sessions has joined.
///
/// ```
/// use proactor::{Flow, Group, Handler, NoMessage, Server, Session};
///
/// /// What one says, the others hear.
/// #[derive(Clone)]
/// struct Chat {
///     room: Group,
/// }
///
/// impl Handler for Chat {
///     type State = ();
///     type Message = NoMessage;
///     fn connected(&mut self, session: &Session) {
///         session.join(&self.room).expect("a new session can join its first group");
///     }
///     fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
///         let _ = self.room.broadcast_except(session.id(), packet);
///         Flow::Continue
///     }
/// }
///
/// # fn main() -> Result<(), proactor::ServerError> {
/// let room = Group::new();
/// let chat = Chat { room: room.clone() };
/// let server = Server::builder().listen("127.0.0.1:0").shards(1).start(chat)?;
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
    channel: OnceLock<Channel>,
}

/// What a group has from its first member on.
struct Channel {
    domain: Arc<Domain>,
    log: Log<BroadcastHeader>,
    frame_limit: usize,
    /// The codec, and memory for a frame.
    encoder: Mutex<(Framing, Vec<u8>)>,
    shards: Box<[OnShard]>,
}

/// What broadcasting threads know of a group on one shard.
struct OnShard {
    members: AtomicUsize,
    /// The shard has been notified, and has not taken the news yet.
    notified: AtomicBool,
    /// The slot of the local group, or `NO_LOCAL`. The shard's own thread sets it.
    local: AtomicU32,
}

const NO_LOCAL: u32 = u32::MAX;

impl Group {
    /// Makes a group without members.
    pub fn new() -> Group {
        Group::default()
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        // A thread that sees a member can broadcast to it: it also sees the channel.
        self.inner.members.load(Ordering::Acquire)
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends a packet to all members. Costs the same for one and for thousands, and never waits.
    ///
    /// # Errors
    /// `Frame` if the server's codec has no frame for it, or one of more than half of
    /// [`outbox_bytes`](crate::Limits::outbox_bytes) (or 16 MiB).
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
        self.inner.channel.get().map_or(0, |channel| channel.log.memory())
    }

    fn send(&self, packet: &[u8], except: Option<SessionId>) -> Result<(), SendError> {
        // Without a channel it has had no member yet.
        self.inner.channel.get().map_or(Ok(()), |channel| channel.broadcast(packet, except))
    }

    /// The group's channel, made for the first server that asks. `None` if that is another one.
    fn channel(&self, domain: &Arc<Domain>) -> Option<&Channel> {
        let channel = self.inner.channel.get_or_init(|| Channel::new(domain));
        Arc::ptr_eq(&channel.domain, domain).then_some(channel)
    }

    /// A reader of the log that begins at its end. `None` if the group belongs to another server.
    pub(crate) fn reader(&self, domain: &Arc<Domain>) -> Option<LogReader<BroadcastHeader>> {
        self.channel(domain).map(|channel| channel.log.reader())
    }

    /// Whether the group belongs to this server.
    pub(crate) fn belongs_to(&self, domain: &Arc<Domain>) -> bool {
        self.channel(domain).is_some()
    }

    fn on_shard(&self, shard: u16) -> Option<&OnShard> {
        self.inner.channel.get().map(|channel| &channel.shards[usize::from(shard)])
    }

    /// The slot of the local group on a shard, for the shard's own thread.
    pub(crate) fn local(&self, shard: u16) -> Option<u32> {
        let local = self.on_shard(shard)?.local.load(Ordering::Relaxed);
        (local != NO_LOCAL).then_some(local)
    }

    /// The group has another local group on the shard, or none. Earlier notifications were about
    /// records before that.
    pub(crate) fn set_local(&self, shard: u16, local: Option<u32>) {
        if let Some(on_shard) = self.on_shard(shard) {
            on_shard.local.store(local.unwrap_or(NO_LOCAL), Ordering::Release);
            on_shard.notified.swap(false, Ordering::AcqRel);
        }
    }

    /// The shard is about to read the log: later broadcasts notify it again.
    pub(crate) fn lower_flag(&self, shard: u16) {
        if let Some(on_shard) = self.on_shard(shard) {
            on_shard.notified.swap(false, Ordering::AcqRel);
        }
    }

    /// Counts a member in, before it is given its position: then a broadcast either is before the
    /// position, or sees that the shard has a member.
    pub(crate) fn count_in(&self, shard: u16) {
        self.inner.members.fetch_add(1, Ordering::Release);
        if let Some(on_shard) = self.on_shard(shard) {
            on_shard.members.fetch_add(1, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
    }

    pub(crate) fn count_out(&self, shard: u16) {
        self.inner.members.fetch_sub(1, Ordering::Relaxed);
        if let Some(on_shard) = self.on_shard(shard) {
            on_shard.members.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Channel {
    fn new(domain: &Arc<Domain>) -> Channel {
        let outbox = domain.outbox_bytes;
        let record_bytes = (outbox / 2).clamp(1, MOST_FRAME_BYTES);
        // Long enough that the slow-consumer policy applies before the log forgets records.
        let log_bytes = 4 * outbox + SEGMENT_BYTES + record_bytes;
        let log =
            Log::new(LogConfig::new().segment_bytes(SEGMENT_BYTES).record_bytes(record_bytes).log_bytes(log_bytes));
        let log = log.expect("sizes within what a log may have");
        let on_shard = || OnShard {
            members: AtomicUsize::new(0),
            notified: AtomicBool::new(false),
            local: AtomicU32::new(NO_LOCAL),
        };
        let shards = std::iter::repeat_with(on_shard).take(domain.notifiers.len()).collect();
        let encoder = Mutex::new((domain.codec(), Vec::new()));
        Channel { domain: Arc::clone(domain), log, frame_limit: record_bytes, encoder, shards }
    }

    /// Frames a packet, appends it to the log, and notifies the shards that have members.
    fn broadcast(&self, packet: &[u8], except: Option<SessionId>) -> Result<(), SendError> {
        let mut stamp = 0;
        {
            // If a codec panics, the next frame clears what it left.
            let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
            let (codec, frame) = &mut *encoder;
            let frame = match codec {
                Framing::Raw(_) => packet,
                codec => {
                    frame.clear();
                    frame.shrink_to(KEPT_FRAME_BYTES);
                    codec.encode(packet, frame).map_err(SendError::Frame)?;
                    frame
                }
            };
            if frame.len() > self.frame_limit {
                return Err(SendError::Frame(FrameError::TooLarge { limit: self.frame_limit }));
            }
            let header = || {
                stamp = self.domain.clock.tick(frame.len());
                BroadcastHeader { stamp, except }
            };
            self.log.append(&[frame], header).expect("the frame is within the log's limit");
        }
        // Between appending and looking for members: see `count_in`.
        fence(Ordering::SeqCst);
        for (on_shard, notifier) in self.shards.iter().zip(&self.domain.notifiers) {
            if on_shard.members.load(Ordering::Relaxed) > 0 && !on_shard.notified.swap(true, Ordering::AcqRel) {
                notifier.notify(on_shard.local.load(Ordering::Acquire), stamp);
            }
        }
        Ok(())
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
