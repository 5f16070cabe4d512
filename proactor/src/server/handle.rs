//! The server, from any thread.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use overlapped::driver::Stream;
use overlapped::mailbox::MailError;

use super::drain_options::DrainOptions;
use super::stats::Stats;
use crate::connect::{ConnectError, ConnectFailure, Target};
use crate::error::{JoinError, SendError, ServerError};
use crate::group::{Group, local::LocalGroup};
use crate::message::NoMessage;
use crate::session::id::SessionId;
use crate::shard::directory::{Directory, Mail, Phase, Wanted};
#[cfg(feature = "websocket")]
use crate::websocket::MessageKind;

/// A running server, from any thread. Cheap to clone.
///
/// `M` is the type of message that the server's logic takes
/// ([`Handler::Message`](crate::Handler::Message)). A `Handle` without it can do all but
/// [`post`](Handle::post) a message; [`untyped`](Handle::untyped) makes one.
pub struct Handle<M = NoMessage> {
    pub(crate) directory: Arc<Directory>,
    messages: PhantomData<fn(M)>,
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Handle<M> {
        Handle::new(Arc::clone(&self.directory))
    }
}

impl<M> Handle<M> {
    /// The server's logic takes messages of this type, or the type is [`NoMessage`].
    pub(crate) fn new(directory: Arc<Directory>) -> Handle<M> {
        Handle { directory, messages: PhantomData }
    }

    /// The same server, without the type of its messages: for code that posts none.
    ///
    /// ```
    /// use proactor::Handle;
    ///
    /// fn report(handle: &Handle) {
    ///     println!("{} sessions", handle.sessions());
    /// }
    ///
    /// fn report_game(handle: &Handle<String>) {
    ///     report(&handle.untyped());
    /// }
    /// ```
    pub fn untyped(&self) -> Handle {
        Handle::new(Arc::clone(&self.directory))
    }

    /// Ends the server at once: what is queued is discarded. [`Server::wait`](crate::Server::wait)
    /// returns when it has ended.
    pub fn stop(&self) {
        self.directory.enter(Phase::Stopping);
    }

    /// Ends the server gracefully, within `patience`:
    ///
    /// 1. It accepts no more. The logic is told, by [`Handler::draining`](crate::Handler::draining)
    ///    and [`AsyncSession::draining`](crate::AsyncSession::draining).
    /// 2. A session that is at work goes on: its packets are handed over, and what it sends is
    ///    sent. A session that is idle, or becomes idle, is closed gracefully, as
    ///    [`Drained`](crate::CloseReason::Drained). If its peer has everything and does not end its
    ///    stream, it is reset after the [linger time](crate::Timeouts::linger).
    /// 3. When `patience` is over, what is left is cut, as
    ///    [`ServerStopping`](crate::CloseReason::ServerStopping). A peer that misses something sees
    ///    a reset, not the end of the stream.
    ///
    /// [`Stats::drained`] and [`Stats::drain_cut`] count how many were completed, and how many were
    /// cut.
    ///
    /// A session is **at work** while packets or the beginning of one have arrived and are not
    /// handed over; while something is queued for its peer; while its logic holds a [busy
    /// guard](crate::Session::busy), or waits for a connection that it asked for. A session with a
    /// task is at work unless that waits for the next packet. A pause alone is no work: logic that
    /// pauses while it works on an answer keeps a guard. Two sessions that are a
    /// [pair](crate::Session::pair) are at work until nothing has passed between them for 2 s.
    pub fn drain(&self, patience: Duration) {
        self.drain_as(DrainOptions::new(patience));
    }

    /// As [`drain`](Handle::drain), with [options](DrainOptions). Only the first drain of a server
    /// says how.
    pub fn drain_as(&self, options: DrainOptions) {
        self.directory.drain(options);
    }

    /// Other descriptors of the server's listening sockets, in the order of
    /// [`Server::local_addrs`](crate::Server::local_addrs): to be handed to another process, which
    /// [takes them over](crate::Builder::take_over) before this server is
    /// [drained](DrainOptions::handing_over). So no connection is refused or lost in between. Waits
    /// for a shard, up to `patience`; call it from a thread that is none.
    ///
    /// The server's own descriptors go on accepting. Connections that come from now on cost it a
    /// system call more when they are closed: others could set their options.
    ///
    /// # Errors
    /// The server is ending; it has listeners for datagrams, which cannot be handed over; the shard
    /// does not answer in time; no descriptors are left.
    pub fn duplicate_listeners(&self, patience: Duration) -> Result<Vec<Stream>, ServerError> {
        let (answer, answered) = sync_channel(1);
        match self.directory.mail(0, Mail::Listeners(answer)) {
            Ok(()) => {}
            Err(MailError::Full(_)) => return Err(ServerError::Thread("the mailbox of shard 0 is full".into())),
            Err(MailError::Closed(_)) => return Err(ServerError::Thread("the server has ended".into())),
        }
        match answered.recv_timeout(patience) {
            Ok(listeners) => listeners,
            Err(RecvTimeoutError::Timeout) => {
                Err(ServerError::Thread(format!("shard 0 did not answer within {patience:?}: its logic blocks it")))
            }
            Err(RecvTimeoutError::Disconnected) => Err(ServerError::Thread("the server has ended".into())),
        }
    }

    /// Whether the server is being [drained](Handle::drain) or [stopped](Handle::stop), from the
    /// moment of that call on, or has ended.
    pub fn is_ending(&self) -> bool {
        self.directory.phase() != Phase::Running
    }

    /// Accepted sessions there are now, on all shards.
    pub fn sessions(&self) -> usize {
        self.directory.admission.sessions().0
    }

    /// What the server has counted: sessions accepted, refused and closed, by reason; packets
    /// dropped. It can still be read when the server has ended.
    pub fn stats(&self) -> Stats {
        self.directory.snapshot()
    }

    /// Queues a packet for a session. When it reaches the session's shard, it is dropped if the
    /// session has ended, or (with a line in the log) if the server's codec has no frame for it. If
    /// the frame does not fit into the outbox, the session is closed as too slow.
    ///
    /// # Errors
    /// `Full` if the shard's mailbox is full, `Closed` if the shard has ended.
    pub fn send(&self, id: SessionId, packet: impl Into<Bytes>) -> Result<(), SendError> {
        let stamp = self.directory.domain.clock.now();
        self.directory.mail_to_session(id, Mail::Send { id, packet: packet.into(), stamp })
    }

    /// Queues a packet that replaces the one of its key that waits, as
    /// [`Session::send_latest`](crate::Session::send_latest) does, when it reaches the session's
    /// shard. There it is dropped or ends the session as one of [`send`](Handle::send) is. With a
    /// line in the log, it is also dropped if packets of 64 other keys wait.
    ///
    /// # Errors
    /// As for [`send`](Handle::send).
    pub fn send_latest(&self, id: SessionId, key: u64, packet: impl Into<Bytes>) -> Result<(), SendError> {
        let stamp = self.directory.domain.clock.now();
        self.directory.mail_to_session(id, Mail::SendLatest { id, key, packet: packet.into(), stamp })
    }

    /// As [`send`](Handle::send), as a message of this kind, if the session is a WebSocket:
    /// [`Session::send_as`](crate::Session::send_as). Text that is not UTF-8 is dropped, with a
    /// line in the log.
    ///
    /// # Errors
    /// As for [`send`](Handle::send).
    #[cfg(feature = "websocket")]
    pub fn send_as(&self, id: SessionId, kind: MessageKind, packet: impl Into<Bytes>) -> Result<(), SendError> {
        let stamp = self.directory.domain.clock.now();
        self.directory.mail_to_session(id, Mail::SendAs { id, kind, packet: packet.into(), stamp })
    }

    /// Makes a session a member of a group: it gets what is broadcast to it from now on. When this
    /// reaches the session's shard, it does nothing if the session has ended or is a member of 64
    /// groups.
    ///
    /// # Errors
    /// `Full` if the shard's mailbox is full, `Closed` if the shard has ended, `OtherServer` if the
    /// group has had members of another server.
    pub fn join(&self, id: SessionId, group: &Group) -> Result<(), JoinError> {
        // The stamp before the reader: records that the reader has not seen are later.
        let stamp = self.directory.domain.clock.now();
        let domain = &self.directory.domain;
        let local = |framing| {
            let framed = group.framed(domain, framing)?;
            let reader = framed.reader(domain)?;
            Some(LocalGroup::new(framed, reader).within(group).awaiting())
        };
        let locals: Option<Vec<LocalGroup>> = domain.framings().map(local).collect();
        let locals = locals.ok_or(JoinError::OtherServer)?;
        let mail = Mail::Join { id, stamp, group: group.clone(), locals };
        self.directory.mail_to_session(id, mail).map_err(|error| match error {
            SendError::Full => JoinError::Full,
            _ => JoinError::Closed,
        })
    }

    /// Ends a session's membership in a group, if there is one. What was broadcast before is still
    /// sent.
    ///
    /// # Errors
    /// As for [`send`](Handle::send).
    pub fn leave(&self, id: SessionId, group: &Group) -> Result<(), SendError> {
        let stamp = self.directory.domain.clock.now();
        self.directory.mail_to_session(id, Mail::Leave { id, group: group.clone(), stamp })
    }

    /// Closes a session gracefully; does nothing if it has ended.
    ///
    /// # Errors
    /// As for [`send`](Handle::send).
    pub fn close(&self, id: SessionId) -> Result<(), SendError> {
        self.directory.mail_to_session(id, Mail::Close(id))
    }

    /// Closes a session at once, by a reset: also one that is being closed gracefully, and waits
    /// for its peer. Does nothing if it has ended.
    ///
    /// # Errors
    /// As for [`send`](Handle::send).
    pub fn abort(&self, id: SessionId) -> Result<(), SendError> {
        self.directory.mail_to_session(id, Mail::Abort(id))
    }

    /// Connects to a target, on the shard that has the least to do: as
    /// [`Session::connect`](crate::Session::connect), for no session. If the server ends before
    /// that shard has heard of it, the handler is not told.
    ///
    /// # Errors
    /// `Limit` if there are as many outbound sessions as there
    /// [may be](crate::Outbound::sessions), or the shard's mailbox is full; `Ending` if the
    /// server is ending. The handler is not told of these.
    pub fn connect(&self, target: impl Into<Target>, token: u64) -> Result<(), ConnectError> {
        let (directory, target) = (&self.directory, target.into());
        if directory.phase() != Phase::Running {
            return Err(ConnectError::new(target, ConnectFailure::Ending));
        }
        let (target, permit) = directory.admit_outbound(target)?;
        let shard = directory.least_loaded();
        directory.count_in(shard);
        let (mail, failure) = match directory.mail(shard, Mail::Connect(Box::new(Wanted { target, token, permit }))) {
            Ok(()) => return Ok(()),
            Err(MailError::Full(mail)) => (mail, ConnectFailure::Limit),
            Err(MailError::Closed(mail)) => (mail, ConnectFailure::Ending),
        };
        directory.count_out(shard);
        let Mail::Connect(wanted) = mail else { unreachable!("it is given back") };
        Err(ConnectError::new(wanted.target, failure).because("the shard's mailbox takes no more"))
    }
}

impl<M> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("sessions", &self.sessions()).finish()
    }
}
