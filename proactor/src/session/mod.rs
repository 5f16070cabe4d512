//! A session in the hands of its shard's handler. The parts of a session are files of this folder.

mod arrival;
pub(crate) mod away;
mod burst;
pub(crate) mod busy;
pub(crate) mod close;
#[cfg(feature = "websocket")]
pub(crate) mod control;
pub(crate) mod datagram;
pub(crate) mod deadlines;
pub(crate) mod delivery;
pub(crate) mod drain;
pub(crate) mod ends;
pub(crate) mod holds;
pub(crate) mod id;
pub(crate) mod identity;
pub(crate) mod info;
pub(crate) mod latest;
pub(crate) mod list;
pub(crate) mod opening;
pub(crate) mod pair;
mod peers;
pub(crate) mod reading;
pub(crate) mod reason;
pub(crate) mod receive;
pub(crate) mod send;
#[cfg(feature = "tls")]
pub(crate) mod start_tls;
pub(crate) mod table;
pub(crate) mod timeouts;
pub(crate) mod timers;
#[cfg(feature = "websocket")]
pub(crate) mod websocket;
pub(crate) mod work;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use overlapped::Address;

use self::pair::PairError;
use self::reason::CloseReason;
use self::table::Record;
use self::{busy::Busy, holds::Hold, id::SessionId};
use crate::connect::{ConnectError, ConnectFailure, ConnectWaiter, Origin, Request, Target};
use crate::error::{JoinError, SendError, TimerError};
use crate::group::{Group, fanout, membership};
use crate::limits::SlowConsumer;
use crate::server::Handle;
use crate::shard::listeners::ListenerInfo;
use crate::shard::state::ShardState;

/// Handle to one session, for use on its shard's thread. Other threads reach the session with a
/// [`Handle`] and its [`SessionId`].
///
/// It can be kept. When the session has ended, its methods return an error or do nothing.
#[derive(Clone)]
pub struct Session {
    state: Rc<RefCell<ShardState>>,
    id: SessionId,
    peer: Address,
    origin: Origin,
    /// The index of its listener.
    listener: u8,
}

impl Session {
    #[inline]
    pub(crate) fn new(state: &Rc<RefCell<ShardState>>, id: SessionId, record: &Record, peer: Address) -> Session {
        let (origin, listener) = (record.origin(), record.activity.listener());
        Session { state: Rc::clone(state), id, peer, origin, listener }
    }

    /// A session of this shard, if it has not ended and is not being closed.
    pub(crate) fn open(shared: &Rc<RefCell<ShardState>>, id: SessionId) -> Option<Session> {
        let mut state = shared.borrow_mut();
        if id.shard() != state.shard {
            return None;
        }
        state.sessions.open(id)?;
        let (record, peer) = state.sessions.open_with_peer(id.slot())?;
        Some(Session::new(shared, id, record, peer))
    }

    pub(crate) fn shared(&self) -> &Rc<RefCell<ShardState>> {
        &self.state
    }

    pub(crate) fn state(&self) -> &RefCell<ShardState> {
        &self.state
    }

    /// Its id, by which any thread can reach it.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The address of its peer.
    pub fn peer_addr(&self) -> &Address {
        &self.peer
    }

    /// Whether it was accepted, or connected by the server itself.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The listener that it came by, or `None` if the server connected it itself.
    ///
    /// ```
    /// use proactor::codec::{LengthPrefixed, Lines};
    /// use proactor::{Flow, Handler, Listener, NoMessage, Server, Session};
    ///
    /// /// A service, and a port to ask it how it does.
    /// #[derive(Clone)]
    /// struct Service;
    ///
    /// impl Handler for Service {
    ///     type State = bool;
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, session: &Session) -> bool {
    ///         session.listener().is_some_and(|listener| listener.name() == "admin")
    ///     }
    ///     fn received(&mut self, session: &Session, is_admin: &mut bool, packet: &[u8]) -> Flow {
    ///         let answer = if *is_admin { b"up" } else { packet };
    ///         session.send(answer).map_or(Flow::Close, |()| Flow::Continue)
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), proactor::ServerError> {
    /// let server = Server::builder()
    ///     .codec(LengthPrefixed::u16())
    ///     .listen("127.0.0.1:0")
    ///     .listen(Listener::new("127.0.0.1:0").name("admin").codec(Lines::new()))
    ///     .shards(1)
    ///     .start(Service)?;
    /// # use std::io::{Read, Write};
    /// # let address = server.local_addrs()[1].ip().unwrap();
    /// # let mut admin = std::net::TcpStream::connect(address).unwrap();
    /// # admin.write_all(b"?\n").unwrap();
    /// # let mut answer = [0; 3];
    /// # admin.read_exact(&mut answer).unwrap();
    /// # assert_eq!(&answer, b"up\n");
    /// # drop(server);
    /// # Ok(())
    /// # }
    /// ```
    pub fn listener(&self) -> Option<ListenerInfo> {
        self.state.borrow().directory.listeners.get(usize::from(self.listener)).cloned()
    }

    /// Another session of the same shard, if it has not ended and is not being closed.
    pub fn sibling(&self, id: SessionId) -> Option<Session> {
        Session::open(&self.state, id)
    }

    /// The server, for any thread. This handle posts no messages: keep the one that
    /// [`Handler::started`](crate::Handler::started) is given for that.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.state.borrow().directory))
    }

    /// Queues a packet: the frame that its [codec](crate::Builder::codec) makes of it. What is
    /// queued while a batch of completions is handled leaves in one operation.
    ///
    /// The bytes are copied, with one exception: 8 KiB and more of the packet that is being handed
    /// over leave from their receive buffer, if nothing else is queued for this peer, the codec
    /// adds no header, and packets hold less than half of the shard's receive buffers.
    ///
    /// While more than half of the outbox's limit is queued, the session is handed no more packets.
    /// So a handler that answers each packet with a frame of at most half the limit never sees
    /// `Full`.
    ///
    /// # Errors
    /// `Full` if it would take the outbox over its limit; `Closed` if the session is closed or our
    /// stream is [shut down](Session::shutdown); `Frame` if the codec has no frame for it. Nothing
    /// is queued then.
    #[inline]
    pub fn send(&self, packet: &[u8]) -> Result<(), SendError> {
        let mut state = self.state.borrow_mut();
        match send::send(&mut state, self.id, packet) {
            Err(SendError::Full) => Err(close_if_too_slow(&mut state, self.id)),
            result => result,
        }
    }

    /// Bytes queued or in flight to the peer, private and broadcast ones.
    pub fn queued(&self) -> usize {
        self.state.borrow_mut().sessions.open(self.id).map_or(0, |record| record.outbox.len())
    }

    /// Packets for it that were dropped because it did not take what was sent
    /// ([`SlowConsumer::DropOldest`](crate::SlowConsumer)). If its shard could not keep up with the
    /// broadcasts, packets that it was excepted from may be among them.
    pub fn dropped(&self) -> u64 {
        self.state.borrow_mut().sessions.open(self.id).map_or(0, |record| record.outbox.dropped())
    }

    /// Hands over no more packets until [`resume`](Session::resume).
    pub fn pause(&self) {
        pause(&mut self.state.borrow_mut(), self.id);
    }

    /// Hands over packets again, from the next turn on.
    pub fn resume(&self) {
        let mut state = self.state.borrow_mut();
        if state.sessions.open(self.id).is_some() {
            reading::release(&mut state, self.id.slot(), Hold::Paused);
            state.sessions.resume_later(self.id.slot());
        }
    }

    /// Says that this session is at work for as long as the result is kept: a
    /// [drain](crate::Handle::drain) waits for it, until its deadline. For an answer that is still
    /// to come, from another thread or another session. Packets that have arrived, what is queued
    /// for the peer, and connections that are being made are work without it.
    ///
    /// ```
    /// use proactor::{Busy, Flow, Handler, NoMessage, Session};
    ///
    /// /// Two packets are one request.
    /// #[derive(Clone)]
    /// struct Twos;
    ///
    /// impl Handler for Twos {
    ///     type State = Option<Busy>;
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) -> Option<Busy> {
    ///         None
    ///     }
    ///     fn received(&mut self, session: &Session, busy: &mut Option<Busy>, _: &[u8]) -> Flow {
    ///         match busy.take() {
    ///             Some(_) => session.send(b"done").map_or(Flow::Close, |()| Flow::Continue),
    ///             None => {
    ///                 *busy = Some(session.busy());
    ///                 Flow::Continue
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    pub fn busy(&self) -> Busy {
        Busy::new(&self.state.borrow().busy, self.id)
    }

    /// Whether the server is being [drained](crate::Handle::drain).
    pub fn is_draining(&self) -> bool {
        self.state.borrow().drain.has_begun()
    }

    /// Sends what is queued, then closes.
    pub fn close(&self) {
        close::begin_if_open(&mut self.state.borrow_mut(), self.id, CloseReason::ByHandler);
    }

    /// Closes at once, by a reset: also a session that is being closed gracefully, and waits for
    /// its peer. What the peer has not taken is discarded, and it cannot mistake this for an end in
    /// order.
    pub fn abort(&self) {
        close::abort(&mut self.state.borrow_mut(), self.id);
    }

    /// Ends our stream behind what is queued: the peer sees its end, and can still send. Nothing
    /// more can be queued; packets still come. When the peer has ended its stream too, and
    /// [`Handler::ended`](crate::Handler::ended) has been called, the session is closed as
    /// [`ByPeer`](CloseReason::ByPeer).
    ///
    /// ```
    /// use proactor::{Flow, Handler, NoMessage, Session};
    ///
    /// /// Answers a peer that ends its stream first, as `nc -N` does.
    /// #[derive(Clone)]
    /// struct Count;
    ///
    /// impl Handler for Count {
    ///     type State = u64;
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) -> u64 {
    ///         0
    ///     }
    ///     fn received(&mut self, _: &Session, bytes: &mut u64, packet: &[u8]) -> Flow {
    ///         *bytes += packet.len() as u64;
    ///         Flow::Continue
    ///     }
    ///     fn ended(&mut self, session: &Session, bytes: &mut u64) -> Flow {
    ///         let _ = session.send(format!("{bytes}\n").as_bytes());
    ///         session.shutdown();
    ///         Flow::Continue
    ///     }
    /// }
    /// ```
    pub fn shutdown(&self) {
        let mut state = self.state.borrow_mut();
        if state.sessions.open(self.id).is_some() {
            close::shut_down(&mut state, self.id.slot());
        }
    }

    /// Pairs this session with another of its shard. From now on, bytes that come from the peer of
    /// one are sent to the peer of the other, both ways, and neither is handed to
    /// [`received`](crate::Handler::received), [`ended`](crate::Handler::ended) or
    /// [`heartbeat`](crate::Handler::heartbeat). Bytes are passed on as they come, without the
    /// server's codec, and so are bytes that came before and were not handed over. Both sessions
    /// leave their groups.
    ///
    /// While more than half of one's outbox is queued, the other is not read from. Neither way
    /// holds up the other. The end of one peer's stream ends the other's behind what is queued, and
    /// the opposite way goes on. When one session is closed, so is the other, as
    /// [`ByPartner`](CloseReason::ByPartner): gracefully if the first was, else by a reset.
    ///
    /// # Errors
    /// Neither may be closed or have a partner, and both must be of one shard. A session and one
    /// that it asked to [`connect`](Session::connect) are.
    pub fn pair(&self, other: &Session) -> Result<(), PairError> {
        if !Rc::ptr_eq(&self.state, &other.state) || self.id == other.id {
            return Err(PairError::Apart);
        }
        pair::pair(&mut self.state.borrow_mut(), self.id, other.id)
    }

    /// Whether it has a partner.
    pub fn is_paired(&self) -> bool {
        self.state.borrow_mut().sessions.open(self.id).is_some_and(|record| record.partner().is_some())
    }

    /// Becomes a member of a group: gets what is broadcast to it from now on. Does nothing if it is
    /// one.
    ///
    /// # Errors
    /// `Closed` if the session is closed, its stream is [shut down](Session::shutdown), or it is
    /// [paired](Session::pair); `TooMany` if it is a member of 64 groups; `OtherServer` if the
    /// group has had members of another server.
    pub fn join(&self, group: &Group) -> Result<(), JoinError> {
        let mut state = self.state.borrow_mut();
        let stamp = state.groups.now();
        membership::join(&mut state, self.id, group, stamp, Vec::new())
    }

    /// Stops being a member of a group; does nothing if it is none. What was broadcast before is
    /// still sent.
    pub fn leave(&self, group: &Group) {
        let mut state = self.state.borrow_mut();
        let stamp = state.groups.now();
        fanout::leave(&mut state, self.id, group, stamp);
    }

    /// Has [`Handler::timer`](crate::Handler::timer) called with this token when the duration is
    /// over. If the session has a timer with this token, that is set anew, so a rule such as "five
    /// minutes without a word" is one call per packet. A timer ends when it is called, and all end
    /// when the session begins to close.
    ///
    /// It is never early. The shard's timers have a resolution of 8.4 ms (2^23 ns), so it is late
    /// by up to that, and by what the shard is busy with. A duration of 0 is over in the shard's
    /// next turn.
    ///
    /// Sessions with a task [sleep](crate::AsyncSession::sleep) instead.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use proactor::{Flow, Handler, NoMessage, Session};
    ///
    /// /// Asks a peer that is silent for a minute whether it is there.
    /// #[derive(Clone)]
    /// struct Host;
    ///
    /// const SILENT: u64 = 1;
    ///
    /// impl Handler for Host {
    ///     type State = ();
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) {}
    ///     fn received(&mut self, session: &Session, _: &mut (), _: &[u8]) -> Flow {
    ///         let _ = session.after(Duration::from_secs(60), SILENT);
    ///         Flow::Continue
    ///     }
    ///     fn timer(&mut self, session: &Session, _: &mut (), token: u64) {
    ///         if token == SILENT {
    ///             let _ = session.send(b"are you there?");
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// `Closed` if the session is closed, `Full` if it has 64 timers with other tokens.
    pub fn after(&self, duration: Duration, token: u64) -> Result<(), TimerError> {
        let ShardState { sessions, logic_timers, driver, .. } = &mut *self.state.borrow_mut();
        sessions.open(self.id).ok_or(TimerError::Closed)?;
        match logic_timers.set(Some(self.id), token, driver.now() + duration) {
            true => Ok(()),
            false => Err(TimerError::Full),
        }
    }

    /// Stops the timer with this token. Says whether there was one; if so, it is not called.
    pub fn cancel_timer(&self, token: u64) -> bool {
        let ShardState { sessions, logic_timers, .. } = &mut *self.state.borrow_mut();
        sessions.open(self.id).is_some() && logic_timers.stop(Some(self.id), token)
    }

    /// Connects to a target, for this session. The connection becomes a session of the same shard;
    /// its [`origin`](Session::origin) has `token` and this session's id. The handler is told by
    /// [`connected`](crate::Handler::connected), as of an accepted session, or by
    /// [`connect_failed`](crate::Handler::connect_failed): one of them, once, and not before this
    /// returns. If this session is closed, so is the attempt.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use proactor::{ConnectError, Flow, Handler, NoMessage, Origin, Session, Target};
    ///
    /// /// Passes on what comes, both ways.
    /// #[derive(Clone)]
    /// struct Proxy(Target);
    ///
    /// impl Handler for Proxy {
    ///     type State = ();
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, session: &Session) {
    ///         match session.origin() {
    ///             Origin::Connected { opener: Some(client), .. } => {
    ///                 let Some(client) = session.sibling(client) else { return session.abort() };
    ///                 if client.pair(session).is_ok() {
    ///                     client.resume();
    ///                 }
    ///             }
    ///             _ => {
    ///                 session.pause();
    ///                 if session.connect(self.0.clone(), 0).is_err() {
    ///                     session.abort();
    ///                 }
    ///             }
    ///         }
    ///     }
    ///     fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
    ///         Flow::Close
    ///     }
    ///     fn connect_failed(&mut self, client: Option<&Session>, _: u64, error: &ConnectError) {
    ///         let _ = writeln!(std::io::stderr(), "{error}");
    ///         if let Some(client) = client {
    ///             client.abort();
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// What is known at once: `Limit` if there are as many outbound sessions as there
    /// [may be](crate::Outbound::sessions); `Ending` if this session or the server is ending.
    /// The handler is not told of these.
    pub fn connect(&self, target: impl Into<Target>, token: u64) -> Result<(), ConnectError> {
        connect(&mut self.state.borrow_mut(), self.id, target.into(), token, None)
    }
}

pub(crate) fn pause(state: &mut ShardState, id: SessionId) {
    if state.sessions.open(id).is_some() {
        reading::hold(state, id.slot(), Hold::Paused);
    }
}

/// A packet did not fit: by policy the session is closed.
#[cold]
fn close_if_too_slow(state: &mut ShardState, id: SessionId) -> SendError {
    let is_alone = state.sessions.open(id).is_some_and(|record| record.partner().is_none());
    if is_alone && state.limits.slow == SlowConsumer::Close {
        close::begin(state, id.slot(), CloseReason::TooSlow);
    }
    SendError::Full
}

pub(crate) fn connect(
    state: &mut ShardState,
    opener: SessionId,
    target: Target,
    token: u64,
    waiter: Option<Rc<ConnectWaiter>>,
) -> Result<(), ConnectError> {
    let ShardState { sessions, attempts, directory, driver, shard, .. } = state;
    let record = match sessions.open(opener) {
        Some(record) if !attempts.is_closed() => record,
        _ => return Err(ConnectError::new(target, ConnectFailure::Ending)),
    };
    let (target, permit) = directory.admit_outbound(target)?;
    directory.count_in(*shard);
    record.attempt_began();
    attempts.begin(Request { target, token, permit, opener: Some(opener), waiter }, driver);
    Ok(())
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {}", self.id, self.peer)
    }
}
