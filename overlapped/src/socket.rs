//! Overlapped sockets.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::address::Address;
use crate::buf::{RecvBuf, SendBuf};
use crate::ending::{Accepted, Parcel, Raw, Received, ReceivedFrom, Sent};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::{CloseMode, Flags, ShutdownHow};
use crate::id::{OpId, SocketId};
use crate::notify::Notify;
use crate::op::{Outcome, Start};
use crate::operation::Operation;
use crate::options::StreamOptions;
use crate::port::{Association, CompletionPort};
use crate::proactor::Core;
use crate::sync::{Mutex, lock};
use crate::sys::{Tried, View};

/// A socket of a [`Proactor`](crate::Proactor). Every socket is overlapped: what it does are [`Operation`]s, to be started in one of four ways.
///
/// Clones are handles to the same socket; any thread may use them. Receives are filled in the order in which they were started, and sends leave
/// whole and in that order. When the last handle is dropped the socket is closed, as by [`CloseMode::Now`]: what is in flight ends with `Cancelled`.
#[derive(Clone)]
pub struct Socket(Arc<SocketInner>);

pub(crate) struct SocketInner {
    core: Arc<Core>,
    id: SocketId,
    /// The system's socket while it is open. Who uses it directly holds the gate, so that it is not closed meanwhile.
    gate: Mutex<Option<View>>,
    peer: Option<Address>,
    listening: Option<Address>,
    association: OnceLock<Arc<Association>>,
}

impl SocketInner {
    pub(crate) fn new(
        core: Arc<Core>,
        id: SocketId,
        view: View,
        peer: Option<Address>,
        listening: Option<Address>,
    ) -> SocketInner {
        SocketInner { core, id, gate: Mutex::new(Some(view)), peer, listening, association: OnceLock::new() }
    }

    pub(crate) fn id(&self) -> SocketId {
        self.id
    }

    pub(crate) fn association(&self) -> Option<&Arc<Association>> {
        self.association.get()
    }

    /// From here on nobody uses the system's socket directly.
    pub(crate) fn shut(&self) {
        *lock(&self.gate) = None;
    }

    fn skips(&self) -> bool {
        self.association.get().is_some_and(|association| association.skips())
    }

    pub(crate) fn start(
        &self,
        parcel: Parcel,
        notify: Notify,
        detached: bool,
    ) -> Result<OpId, Failed<(Parcel, Notify)>> {
        // A close takes the gate itself.
        let gate = (self.skips() && parcel.start().action() != Action::Close).then(|| lock(&self.gate));
        let started = self.core.start(Some(self.id), parcel, notify, detached);
        drop(gate);
        started
    }

    /// Tries a receive or a send on the spot, if the socket skips packets of what succeeds so and nothing of the kind is in flight, and goes on
    /// with `then`, which is told how it ended, or that it did not. The gate is held until `then` has returned.
    pub(crate) fn try_now<R>(
        &self,
        core: &Arc<Core>,
        parcel: &mut Parcel,
        then: impl FnOnce(&Arc<Core>, Parcel, Option<Raw>) -> R,
    ) -> R {
        let take =
            |parcel: &mut Parcel| std::mem::replace(parcel, Parcel::plain(Start::Timer { at: crate::Time::MAX }));
        if !self.skips() || parcel.start().action() == Action::Close {
            return then(core, take(parcel), None);
        }
        let gate = lock(&self.gate);
        let (action, flags) = (parcel.start().action(), parcel.start().flags());
        let idle = parcel.start().check().is_ok() && core.is_idle(self.id, parcel.start().direction());
        let tried = match (&*gate, idle) {
            (Some(view), true) => view.try_now(parcel.start_mut()),
            _ => Tried::WouldBlock,
        };
        let result = match tried {
            Tried::WouldBlock => return then(core, take(parcel), None),
            Tried::Received(bytes) => Ok(Outcome::Received(bytes)),
            Tried::Sent(bytes) => Ok(Outcome::Sent(bytes)),
            Tried::Failed(code) => Err(Error::os(action, code)),
        };
        let buf = crate::Op(take(parcel).into_start()).into_buf();
        then(core, Parcel::plain(Start::Timer { at: crate::Time::MAX }), Some(Raw { action, flags, result, buf }))
    }
}

impl Drop for SocketInner {
    fn drop(&mut self) {
        self.core.abandon(self.id);
    }
}

impl Socket {
    pub(crate) fn new(inner: Arc<SocketInner>) -> Socket {
        Socket(inner)
    }

    fn operation<T: crate::engine::Ending>(&self, parcel: Parcel) -> Operation<'_, T> {
        Operation::new(&self.0.core, Some(&self.0), parcel)
    }

    /// Accepts one connection (`AcceptEx`). Several may be in flight.
    pub fn accept(&self) -> Operation<'_, Accepted> {
        self.operation(Parcel::plain(Start::Accept { listener: Parcel::NOWHERE, multi: false }))
    }

    /// Connects (`ConnectEx`). Sends started after this one wait for it. On a datagram socket it names the peer that [`send`](Socket::send) sends to, and from
    /// which alone datagrams come.
    pub fn connect(&self, address: impl Into<Address>) -> Operation<'_, ()> {
        self.operation(Parcel::plain(Start::Connect { socket: Parcel::NOWHERE, address: address.into() }))
    }

    /// Receives into one buffer or, part after part, into several (`WSARecv`): ends as soon as any bytes have come. 0 bytes are the end of the stream. A buffer
    /// without room waits until something could be received.
    pub fn recv<B: RecvBuf + Send>(&self, buf: B) -> Operation<'_, Received<B>> {
        self.recv_with(buf, Flags::NONE)
    }

    /// As [`recv`](Socket::recv), with flags: [`Flags::PEEK`], [`Flags::WAIT_ALL`], [`Flags::OUT_OF_BAND`].
    pub fn recv_with<B: RecvBuf + Send>(&self, buf: B, flags: Flags) -> Operation<'_, Received<B>> {
        self.operation(Parcel::recv(buf, flags))
    }

    /// Sends every byte of one buffer or, one after the other, of several (`WSASend`): ends once, with all of them written, or with an error that
    /// says how many were.
    pub fn send<B: SendBuf + Send>(&self, buf: B) -> Operation<'_, Sent<B>> {
        self.send_with(buf, Flags::NONE)
    }

    /// As [`send`](Socket::send), with flags: [`Flags::OUT_OF_BAND`].
    pub fn send_with<B: SendBuf + Send>(&self, buf: B, flags: Flags) -> Operation<'_, Sent<B>> {
        self.operation(Parcel::send(buf, flags))
    }

    /// Receives one datagram, and where it came from (`WSARecvFrom`). One that is larger than the buffers ends it with `Truncated`: what fits is in
    /// the buffers, the error says [how much](Error::transferred) and [from where](Error::address), the rest is lost.
    pub fn recv_from<B: RecvBuf + Send>(&self, buf: B) -> Operation<'_, ReceivedFrom<B>> {
        self.recv_from_with(buf, Flags::NONE)
    }

    /// As [`recv_from`](Socket::recv_from), with flags: [`Flags::PEEK`].
    pub fn recv_from_with<B: RecvBuf + Send>(&self, buf: B, flags: Flags) -> Operation<'_, ReceivedFrom<B>> {
        self.operation(Parcel::recv_from(buf, flags))
    }

    /// Sends one datagram, made of one buffer or, one after the other, of several (`WSASendTo`).
    pub fn send_to<B: SendBuf + Send>(&self, buf: B, address: impl Into<Address>) -> Operation<'_, Sent<B>> {
        self.operation(Parcel::send_to(buf, address.into()))
    }

    /// Shuts down one or both directions, after the sends started before (`WSASendDisconnect`).
    pub fn shutdown(&self, how: ShutdownHow) -> Operation<'_, ()> {
        self.operation(Parcel::plain(Start::Shutdown { socket: Parcel::NOWHERE, how }))
    }

    /// Closes the socket, for all its handles: from the start of this on nothing can be started on it, and when it has ended the socket is gone. What is in
    /// flight ends with `Cancelled`. There is always room for a close, and it goes on if its handle is dropped; cancelling a graceful close makes
    /// it close at once.
    pub fn close(&self, mode: CloseMode) -> Operation<'_, ()> {
        self.operation(Parcel::plain(Start::Close { socket: Parcel::NOWHERE, mode }))
    }

    /// Asks everything in flight on the socket to end early (`CancelIoEx`); says how many operations that were. It costs a look at every operation of the
    /// proactor.
    pub fn cancel_all(&self) -> usize {
        self.0.core.cancel_all(self.0.id)
    }

    /// Associates the socket with a completion port, to which [`to_port`](Operation::to_port) then leads, under a key of the program's choice.
    ///
    /// # Errors
    /// `InvalidArgument` if it is associated already.
    pub fn associate(&self, port: &CompletionPort, key: usize) -> Result<(), Error> {
        let association = Arc::new(port.associate(&self.0.core, key));
        self.0.association.set(association).map_err(|_| {
            Error::new(Action::Port, ErrorKind::InvalidArgument).because("the socket is associated with a port already")
        })
    }

    /// Whether a receive or send started with [`to_port`](Operation::to_port) is first tried on the spot, and if it succeeds there is given by the start itself
    /// instead of a packet (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`). Without this there is always a packet.
    ///
    /// # Errors
    /// `InvalidArgument` if the socket is not associated with a port.
    pub fn skip_packet_on_success(&self, skip: bool) -> Result<(), Error> {
        match self.0.association.get() {
            Some(association) => {
                association.set_skip(skip);
                Ok(())
            }
            None => Err(Error::new(Action::Port, ErrorKind::InvalidArgument)
                .because("the socket is not associated with a completion port")),
        }
    }

    fn with<R>(&self, f: impl FnOnce(&View) -> Result<R, Error>) -> Result<R, Error> {
        match &*lock(&self.0.gate) {
            Some(view) => f(view),
            None => Err(Error::new(Action::Option, ErrorKind::Closed).because("the socket is closed")),
        }
    }

    /// The address the socket is bound to: for a listener on port 0, the real port.
    pub fn local_addr(&self) -> Result<Address, Error> {
        match &self.0.listening {
            Some(address) => Ok(address.clone()),
            None => self.with(View::local_addr),
        }
    }

    /// The address of the peer.
    pub fn peer_addr(&self) -> Result<Address, Error> {
        match &self.0.peer {
            Some(address) => Ok(address.clone()),
            None => self.with(View::peer_addr),
        }
    }

    /// Sets options.
    pub fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        self.with(|view| view.set_options(options))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.listening, &self.0.peer) {
            (Some(address), _) => write!(f, "Socket(listening on {address})"),
            (None, Some(address)) => write!(f, "Socket(peer {address})"),
            (None, None) => write!(f, "Socket({:?})", self.0.id),
        }
    }
}
