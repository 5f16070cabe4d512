//! Groups: what is broadcast is framed once, stored once, and sent to every member from where it
//! lies.
//!
//! A group owns the log that its broadcasts are appended to. A shard that has members reads the log
//! as a local group; a member is a position in it. A broadcast appends to the log and notifies each
//! shard that has members. So its cost depends on the number of shards, not of members, and no
//! member can hold it up.

mod clustered;
pub(crate) mod domain;
pub(crate) mod fanout;
pub(crate) mod local;
pub(crate) mod membership;
pub(crate) mod names;
pub(crate) mod presence;
pub(crate) mod shard_groups;
mod watched;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use overlapped::log::{Log, LogConfig, LogReader};
use overlapped::table::Key;

use self::{domain::BroadcastHeader, domain::Domain, presence::Presence};
use crate::cluster::link::Link;
use crate::codec::{Codec, FrameError, Framing};
use crate::error::SendError;
use crate::registry::names::Names;
use crate::session::id::SessionId;

const SEGMENT_BYTES: usize = 64 * 1024;
/// The longest frame a log can be made for.
const MOST_FRAME_BYTES: usize = 16 << 20;
/// The encoder frees memory beyond this, which one long frame needed.
const KEPT_FRAME_BYTES: usize = 64 * 1024;
const NO_LOCAL: u32 = u32::MAX;

/// A set of sessions to which packets are broadcast. Cheap to clone; all clones are the same group,
/// on any thread.
///
/// A session becomes a member with [`Session::join`](crate::Session::join), and stops being one
/// when it [leaves](crate::Session::leave) or ends, before
/// [`closed`](crate::Handler::closed) is called. It gets what is broadcast from then on. Private
/// sends and broadcasts reach it in the order in which they were issued, those of several groups
/// too.
///
/// A broadcast is framed once for each framing in use, and stored once for each: with the server's
/// codec, and with each other codec by whose [`Listener`](crate::Listener) members came. They are
/// taken as the server was built, not as a session has changed its clone. All members have the same
/// order. A broadcast waits for no member. The server's
/// [`SlowConsumer`](crate::SlowConsumer) policy applies to a member that does not take what is sent
/// to it. Its limit is [`outbox_bytes`](crate::Limits::outbox_bytes), for broadcasts and private
/// sends together.
///
/// The server's own handlers are held back for a moment if they broadcast faster than the members'
/// shards can deliver. Broadcasts from the program's other threads are not held back. The log holds
/// at least four times `outbox_bytes`; a member that is further behind has lost the rest.
///
/// The sessions of a group are those of one server, the first that one of its sessions has joined.
/// A group has no name unless the server gave it one: [`Handle::group`](crate::Handle::group).
/// [`Handler::group_emptied`](crate::Handler::group_emptied) is told when the last member has left.
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
    /// Members whose framing is this group's own.
    members: AtomicUsize,
    /// Those, and the members of the groups of other framings.
    all_members: AtomicUsize,
    /// Joins that other threads have asked for, and that may be of this framing.
    awaited: AtomicUsize,
    channel: OnceLock<Channel>,
    name: Option<Name>,
    /// If its server is a node of a cluster, and it has a name.
    cluster: Option<Box<Clustered>>,
    presence: OnceLock<Arc<Presence>>,
}

struct Clustered {
    link: Link,
    domain: Arc<Domain>,
}

struct Name {
    bytes: Bytes,
    names: Weak<Names<Inner>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(name) = &self.name
            && let Some(names) = name.names.upgrade()
        {
            names.forget(&name.bytes, self);
        }
    }
}

/// What a group has from its first member on. Its own members are framed with the server's codec.
/// Those with another framing are members of a group of their own, which only this one knows.
struct Channel {
    domain: Arc<Domain>,
    /// The groups of the other framings, from the second on.
    others: Box<[OnceLock<Group>]>,
    log: Log<BroadcastHeader>,
    frame_limit: usize,
    encoder: Mutex<Encoder>,
    shards: Box<[OnShard]>,
}

struct Encoder {
    codec: Framing,
    /// Memory for a frame.
    frame: Vec<u8>,
    /// The packet that is being broadcast in several framings has a frame in this one.
    has_frame: bool,
}

impl Encoder {
    /// The frame of the packet that was framed last.
    fn framed<'f>(&'f self, packet: &'f [u8]) -> &'f [u8] {
        if let Framing::Raw(_) = self.codec { packet } else { &self.frame }
    }
}

/// What broadcasting threads know of a group on one shard.
struct OnShard {
    members: AtomicUsize,
    /// The shard has been notified, and has not taken the news yet.
    notified: AtomicBool,
    /// The slot of the local group, or `NO_LOCAL`. The shard's own thread sets it.
    local: AtomicU32,
    /// The members, in the order of the local group's.
    ids: Mutex<Vec<Key>>,
}

impl OnShard {
    fn ids(&self) -> MutexGuard<'_, Vec<Key>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    /// Makes a group without members.
    pub fn new() -> Group {
        Group::default()
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        // A thread that sees a member can broadcast to it: it also sees the channel.
        self.inner.all_members.load(Ordering::Acquire)
    }

    /// The name that it was [asked for](crate::Handle::group) by; `None` if it has none.
    pub fn name(&self) -> Option<&[u8]> {
        self.inner.name.as_ref().map(|name| &*name.bytes)
    }

    /// Its members at this moment, in no order. No shard is stopped. Members that join or leave
    /// meanwhile may be in it or not. It copies one id for each member.
    ///
    /// ```
    /// # use proactor::{Group, Session};
    /// /// Closes everybody else in a room.
    /// fn clear(session: &Session, room: &Group) {
    ///     let handle = session.handle();
    ///     for id in room.members().into_iter().filter(|id| *id != session.id()) {
    ///         let _ = handle.close(id);
    ///     }
    /// }
    /// ```
    pub fn members(&self) -> Vec<SessionId> {
        let mut members = Vec::with_capacity(self.len());
        for group in std::iter::once(self).chain(self.others()) {
            let shards = group.inner.channel.get().map_or(&[][..], |channel| &channel.shards);
            for (shard, on_shard) in shards.iter().enumerate() {
                members.extend(on_shard.ids().iter().map(|key| SessionId::new(shard as u16, *key)));
            }
        }
        members
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends a packet to all members. Costs the same for one and for thousands, and never waits.
    ///
    /// # Errors
    /// `Frame` if the codec of a member has no frame for it, or one of more than half of
    /// [`outbox_bytes`](crate::Limits::outbox_bytes) (or 16 MiB). No member gets it then.
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
        let channel = |group: &Group| group.inner.channel.get().map_or(0, |channel| channel.log.memory());
        channel(self) + self.others().map(channel).sum::<usize>()
    }

    fn send(&self, packet: &[u8], except: Option<SessionId>) -> Result<(), SendError> {
        match &self.inner.cluster {
            Some(cluster) => self.send_to_cluster(cluster, packet, except),
            None => self.send_here(packet, except),
        }
    }

    /// Sends a packet to the members on this server.
    fn send_here(&self, packet: &[u8], except: Option<SessionId>) -> Result<(), SendError> {
        // Without a channel it has had no member yet.
        let Some(channel) = self.inner.channel.get() else { return Ok(()) };
        if channel.has_others() { self.send_to_all(packet, except) } else { channel.broadcast(packet, except) }
    }

    /// Frames a packet in every framing in use, then appends each. The locks of the encoders, taken
    /// in the order of the framings and kept meanwhile, give all logs the same order.
    #[cold]
    fn send_to_all(&self, packet: &[u8], except: Option<SessionId>) -> Result<(), SendError> {
        let groups = std::iter::once(self).chain(self.others()).filter(|group| group.is_in_use());
        let channels = groups.filter_map(|group| Some((group.own_len(), group.inner.channel.get()?)));
        let mut encoders: Vec<_> = channels.map(|(members, channel)| (members, channel, channel.encoder())).collect();
        for (members, channel, encoder) in &mut encoders {
            let framed = channel.frame(packet, encoder);
            // A framing that may have a member soon needs no frame.
            encoder.has_frame = framed.is_ok();
            if *members > 0 {
                framed?;
            }
        }
        let mut notices = Vec::with_capacity(encoders.len());
        for (_, channel, encoder) in &encoders {
            if encoder.has_frame {
                notices.push((*channel, channel.append(encoder.framed(packet), except)));
            }
        }
        drop(encoders);
        notices.into_iter().for_each(|(channel, stamp)| channel.notify(stamp));
        Ok(())
    }

    /// The members whose framing is the server's codec, or of this group of another framing.
    fn own_len(&self) -> usize {
        self.inner.members.load(Ordering::Acquire)
    }

    /// Whether it has members, or is to have one whose shard has not heard of it.
    fn is_in_use(&self) -> bool {
        // In this order: who is no longer awaited is counted.
        self.inner.awaited.load(Ordering::Acquire) > 0 || self.own_len() > 0
    }

    /// The groups of the other framings that have had members.
    fn others(&self) -> impl Iterator<Item = &Group> {
        self.inner.channel.get().into_iter().flat_map(|channel| channel.others.iter().filter_map(OnceLock::get))
    }

    /// The group that sessions of a framing are members of. `None` if this group belongs to another
    /// server.
    pub(crate) fn framed(&self, domain: &Arc<Domain>, framing: u8) -> Option<Group> {
        let channel = self.channel(domain)?;
        let Some(other) = usize::from(framing).checked_sub(1) else { return Some(self.clone()) };
        let of_framing = || {
            let group = Group::new();
            group.inner.channel.get_or_init(|| Channel::new(domain, framing));
            group
        };
        channel.others.get(other).map(|other| other.get_or_init(of_framing).clone())
    }

    /// The group's channel, made for the first server that asks. `None` if that is another one.
    fn channel(&self, domain: &Arc<Domain>) -> Option<&Channel> {
        let channel = self.inner.channel.get_or_init(|| Channel::new(domain, 0));
        Arc::ptr_eq(&channel.domain, domain).then_some(channel)
    }

    /// A reader of the log that begins at its end. `None` if the group belongs to another server.
    pub(crate) fn reader(&self, domain: &Arc<Domain>) -> Option<LogReader<BroadcastHeader>> {
        self.channel(domain).map(|channel| channel.log.reader())
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
    ///
    /// `whole` is the group that this one belongs to, if it is one of another framing, or itself.
    pub(crate) fn count_in(&self, whole: &Group, id: SessionId) {
        self.inner.members.fetch_add(1, Ordering::Release);
        if let Some(on_shard) = self.on_shard(id.shard()) {
            on_shard.members.fetch_add(1, Ordering::Relaxed);
            on_shard.ids().push(id.key());
        }
        if whole.inner.all_members.fetch_add(1, Ordering::AcqRel) == 0 {
            whole.first_came_or_last_left();
        }
        fence(Ordering::SeqCst);
    }

    /// Counts out the member that has this index on its shard. Says whether the whole group has no
    /// member left: of several that leave at once, one is told.
    pub(crate) fn count_out(&self, whole: &Group, shard: u16, member: usize) -> bool {
        self.inner.members.fetch_sub(1, Ordering::Relaxed);
        if let Some(on_shard) = self.on_shard(shard) {
            on_shard.members.fetch_sub(1, Ordering::Relaxed);
            let ids = &mut *on_shard.ids();
            ids.swap_remove(member);
            if ids.is_empty() {
                *ids = Vec::new();
            }
        }
        let is_last = whole.inner.all_members.fetch_sub(1, Ordering::AcqRel) == 1;
        if is_last {
            whole.first_came_or_last_left();
        }
        is_last
    }
}

impl Channel {
    fn new(domain: &Arc<Domain>, framing: u8) -> Channel {
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
            ids: Mutex::default(),
        };
        let shards = std::iter::repeat_with(on_shard).take(domain.notifiers.len()).collect();
        let codec = domain.codec(framing.into());
        let encoder = Mutex::new(Encoder { codec, frame: Vec::new(), has_frame: false });
        let other_count = if framing == 0 { domain.framing_count() - 1 } else { 0 };
        let others = std::iter::repeat_with(OnceLock::new).take(other_count).collect();
        Channel { domain: Arc::clone(domain), others, log, frame_limit: record_bytes, encoder, shards }
    }

    /// Whether sessions of another framing have been members.
    fn has_others(&self) -> bool {
        self.others.iter().any(|other| other.get().is_some())
    }

    fn encoder(&self) -> MutexGuard<'_, Encoder> {
        // If a codec panics, the next frame clears what it left.
        self.encoder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frames a packet, appends it to the log, and notifies the shards that have members.
    fn broadcast(&self, packet: &[u8], except: Option<SessionId>) -> Result<(), SendError> {
        let stamp = {
            let encoder = &mut *self.encoder();
            self.frame(packet, encoder)?;
            self.append(encoder.framed(packet), except)
        };
        self.notify(stamp);
        Ok(())
    }

    fn frame(&self, packet: &[u8], encoder: &mut Encoder) -> Result<(), SendError> {
        let Encoder { codec, frame, .. } = encoder;
        #[cfg(test)]
        tests::note_framing();
        if !matches!(codec, Framing::Raw(_)) {
            frame.clear();
            frame.shrink_to(KEPT_FRAME_BYTES);
            codec.encode(packet, frame).map_err(SendError::Frame)?;
        }
        match encoder.framed(packet).len() > self.frame_limit {
            true => Err(SendError::Frame(FrameError::TooLarge { limit: self.frame_limit })),
            false => Ok(()),
        }
    }

    /// Appends a frame to the log. Returns its stamp.
    fn append(&self, frame: &[u8], except: Option<SessionId>) -> u64 {
        let mut stamp = 0;
        let header = || {
            stamp = self.domain.clock.tick(frame.len());
            BroadcastHeader { stamp, except }
        };
        self.log.append(&[frame], header).expect("the frame is within the log's limit");
        stamp
    }

    /// Notifies the shards that have members.
    fn notify(&self, stamp: u64) {
        // Between appending and looking for members: see `count_in`.
        fence(Ordering::SeqCst);
        for (on_shard, notifier) in self.shards.iter().zip(&self.domain.notifiers) {
            if on_shard.members.load(Ordering::Relaxed) > 0 && !on_shard.notified.swap(true, Ordering::AcqRel) {
                notifier.notify(on_shard.local.load(Ordering::Acquire), stamp);
            }
        }
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
        let mut debug = f.debug_struct("Group");
        if let Some(name) = self.name() {
            debug.field("name", &String::from_utf8_lossy(name));
        }
        debug.field("members", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests;
