//! Overlapped sockets.

use std::fmt;
use std::fs::File;
use std::ops::RangeBounds;
use std::sync::Arc;

use super::ending::{Ending, FileSent, FromCompletion, Owner, Received, ReceivedFrom, Sent};
use super::port::{Association, CompletionPort};
use super::{core::Core, endpoint::Endpoint, operation::Operation};
use crate::address::{Address, IntoAddress};
use crate::buf::{AnyBuf, Crossing, RecvBuf, SendBuf};
use crate::driver::{Completion, Op, Outcome, Stream};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::{CloseMode, Flags, Role, ShutdownHow};

/// A socket of an [`Engine`](crate::Engine). Every socket is overlapped: what it does are
/// [`Operation`]s, to be started in one of four ways.
///
/// Clones are handles to the same socket; any thread may use them. Receives are filled in the order
/// in which they were started. Sends leave whole and in that order. When the last handle is dropped
/// the socket is closed, as by [`CloseMode::Now`]: sends that were started leave as far as the
/// system takes them without waiting, and other operations in flight end with `Cancelled`.
#[derive(Clone)]
pub struct Socket(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) core: Arc<Core>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) peer: Option<Address>,
    pub(super) listening: Option<Address>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.core.abandon(&self.endpoint);
    }
}

/// The result of an accept.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub socket: Socket,
    /// The address of its peer.
    pub peer: Address,
}

impl Ending for Accepted {
    type Back = ();
}
impl FromCompletion for Accepted {
    type Given = ();
    fn from_completion(completion: Completion, _: Flags, owner: &dyn Fn() -> Owner) -> Result<Accepted, Failed<()>> {
        let failed = |error| Failed { error, given: () };
        match completion.result {
            Ok(Outcome::Accepted(stream, peer)) => {
                let core = owner().downcast::<Core>().expect("an owner is an engine's core");
                let endpoint = core.insert_accepted(stream).map_err(|ended| failed(ended.error))?;
                let shared = Shared { core, endpoint, peer: Some(peer.clone()), listening: None };
                Ok(Accepted { socket: Socket(Arc::new(shared)), peer })
            }
            Ok(_) => unreachable!("an accept accepts"),
            Err(error) => Err(failed(error)),
        }
    }
    fn matches(action: Action, _: &Completion) -> bool {
        action == Action::Accept
    }
    fn given(_: Option<AnyBuf>) {}
}

impl Socket {
    /// Makes a socket of an engine.
    pub(super) fn insert(
        core: &Arc<Core>,
        stream: Stream,
        role: Role,
        peer: Option<Address>,
        listening: Option<Address>,
    ) -> Result<Socket, Failed<Stream>> {
        let endpoint = core.insert(stream, role)?;
        Ok(Socket(Arc::new(Shared { core: Arc::clone(core), endpoint, peer, listening })))
    }

    pub(super) fn operation<T: Ending>(&self, op: Op) -> Operation<'_, T> {
        Operation::new(&self.0.core, Some(&self.0.endpoint), Crossing::new(op))
    }

    /// Accepts one connection (`AcceptEx`). Several accepts may be in flight. Each keeps a place in
    /// the engine's table of sockets: with a full table the start is refused with `LimitReached`,
    /// and the client stays in the backlog.
    ///
    /// A client that has reset its connection meanwhile is delivered too, with what it sent, and
    /// then `Reset`. (Windows, macOS and FreeBSD may drop it themselves.)
    ///
    /// Out of descriptors, an accept waits until there is a client, and then ends with
    /// `TooManyFiles`. The client stays in the backlog. The next accept pauses for 100 ms.
    pub fn accept(&self) -> Operation<'_, Accepted> {
        self.operation(Op::accept(Op::NO_SOCKET))
    }

    /// Connects (`ConnectEx`), to an address or what [is one](IntoAddress):
    /// `connect("127.0.0.1:80")`. Sends that are started later wait for it, and so do receives that
    /// are started while it is in flight. On a datagram socket it sets the peer:
    /// [`send`](Socket::send) sends to it, and only its datagrams are received.
    ///
    /// If it fails or is cancelled, it is over, in the system too: what waits for it ends with
    /// `NotConnected`, and the next connect of the socket is a fresh attempt. A socket that is
    /// connected refuses it with `AlreadyConnected`, and its connection goes on. A text that is not
    /// an address refuses the start with `InvalidArgument`.
    pub fn connect(&self, address: impl IntoAddress) -> Operation<'_, ()> {
        self.operation(Op::connect(Op::NO_SOCKET, address))
    }

    /// Receives into one buffer or, part after part, into several (`WSARecv`). Ends as soon as any
    /// bytes have come. 0 bytes mean the end of the stream. A buffer without room waits until
    /// something can be received. (On a datagram socket it is refused: see
    /// [`recv_from`](Socket::recv_from).) An empty vector needs its type,
    /// `Vec::<u8>::with_capacity(4096)`: a vector of buffers is a buffer too.
    /// [`BufExt`](crate::buf::BufExt) names a part of a buffer.
    pub fn recv<B: RecvBuf + Send>(&self, buf: B) -> Operation<'_, Received<B>> {
        self.recv_with(buf, Flags::NONE)
    }

    /// As [`recv`](Socket::recv), with flags: [`Flags::PEEK`], [`Flags::WAIT_ALL`],
    /// [`Flags::OUT_OF_BAND`].
    pub fn recv_with<B: RecvBuf + Send>(&self, buf: B, flags: Flags) -> Operation<'_, Received<B>> {
        self.operation(Op::recv_with(Op::NO_SOCKET, buf, flags))
    }

    /// Sends every byte of one buffer or, one after the other, of several (`WSASend`). Ends once:
    /// with all bytes written, or with an error that says how many were.
    pub fn send<B: SendBuf + Send>(&self, buf: B) -> Operation<'_, Sent<B>> {
        self.send_with(buf, Flags::NONE)
    }

    /// As [`send`](Socket::send), with flags: [`Flags::OUT_OF_BAND`].
    pub fn send_with<B: SendBuf + Send>(&self, buf: B, flags: Flags) -> Operation<'_, Sent<B>> {
        self.operation(Op::send_with(Op::NO_SOCKET, buf, flags))
    }

    /// Sends a range of a file (`TransmitFile`), a `File` or an `Arc<File>`: `send_file(file, ..)`
    /// all of it, `send_file(file, 100..200)` a hundred bytes. Ends as a [`send`](Socket::send)
    /// does, once, and keeps the order of the socket's sends: a head and a tail are sends before it
    /// and behind it. The file comes back in the result, or with the error.
    ///
    /// It takes 128 KiB of memory while its bytes are on their way, however large the range is. The
    /// program's position in the file is neither used nor, except on Windows, moved. If the file is
    /// written to meanwhile, old or new bytes are sent.
    ///
    /// ```
    /// use std::fs::File;
    /// # use std::io::Read;
    /// use overlapped::Engine;
    /// use overlapped::driver::Wait;
    /// # let path = std::env::temp_dir().join(format!("overlapped-{}", std::process::id()));
    /// # std::fs::write(&path, "0123456789").unwrap();
    ///
    /// # let engine = Engine::new()?;
    /// # let listener = engine.listen("127.0.0.1:0", &Default::default())?;
    /// # let mut client = std::net::TcpStream::connect(listener.local_addr()?).unwrap();
    /// # let socket = listener.accept().start()?.result(Wait::Forever)?.socket;
    /// let file = File::open(&path).unwrap();
    /// let head = socket.send("4 bytes: ").start()?;
    /// let mut send = socket.send_file(file, 2..6).start()?;
    /// assert_eq!(send.result(Wait::Forever)?.bytes, 4);
    /// # let mut got = [0; 13];
    /// # client.read_exact(&mut got).unwrap();
    /// # assert_eq!(&got, b"4 bytes: 2345");
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    ///
    /// # Errors
    /// The start refuses a range that ends before it begins, and a datagram socket
    /// (`InvalidArgument`). When the send's turn comes, the file is looked at. Then these end it,
    /// and nothing is sent:
    ///
    /// - `InvalidArgument`: it is a directory, a pipe, a device, or anything but a regular file.
    /// - `NotPermitted`: it was not opened for reading.
    /// - `EndOfFile`: the range has an end, and the file is shorter than that. A range without an
    ///   end goes to the end of the file as it is now.
    ///
    /// An empty range then ends it with 0 bytes, whatever state the connection is in.
    ///
    /// A file that becomes shorter meanwhile ends it with `EndOfFile`, a failed read with the kind
    /// of that. As with every send that is cut short, by an error, a cancel or its deadline, the
    /// error says how many bytes had been written ([`Error::transferred`]), and later sends end
    /// with `BrokenStream`.
    ///
    /// # Platforms
    /// The engine's thread asks for the file's size, which a network file system may be slow to
    /// tell. On Linux with io_uring the kernel reads, on a thread of its own if it has to wait for
    /// the disk. On `poll` and the simulated network the engine's thread reads, 128 KiB at a time:
    /// a slow disk holds other sockets up for so long.
    ///
    /// On Windows the system reads and sends pieces of 1 MiB. It tells of whole pieces only: more
    /// may have been written than the error says, and a send that fails or is cancelled always
    /// breaks the stream, unless it was still waiting behind others. Editions that are not servers
    /// carry out two such sends at a time, in all programs together; others wait. There, send what
    /// you read yourself if peers may be slow.
    pub fn send_file(&self, file: impl Into<Arc<File>>, range: impl RangeBounds<u64>) -> Operation<'_, FileSent> {
        self.operation(Op::send_file(Op::NO_SOCKET, file, range))
    }

    /// Receives one datagram and its sender's address (`WSARecvFrom`). A datagram that is larger
    /// than the buffers ends it with `Truncated`: the buffers hold what fits, the error says [how
    /// much](Error::transferred) and [from where](Error::address), and the rest is lost. So buffers
    /// without any room are refused (`InvalidArgument`), unless it is a [peek](Flags::PEEK).
    pub fn recv_from<B: RecvBuf + Send>(&self, buf: B) -> Operation<'_, ReceivedFrom<B>> {
        self.recv_from_with(buf, Flags::NONE)
    }

    /// As [`recv_from`](Socket::recv_from), with flags: [`Flags::PEEK`].
    pub fn recv_from_with<B: RecvBuf + Send>(&self, buf: B, flags: Flags) -> Operation<'_, ReceivedFrom<B>> {
        self.operation(Op::recv_from_with(Op::NO_SOCKET, buf, flags))
    }

    /// Sends one datagram, made of one buffer or, one after the other, of several (`WSASendTo`),
    /// to an address or what [is one](IntoAddress): `send_to(buf, ("127.0.0.1", 80))`.
    pub fn send_to<B: SendBuf + Send>(&self, buf: B, address: impl IntoAddress) -> Operation<'_, Sent<B>> {
        self.operation(Op::send_to(Op::NO_SOCKET, buf, address))
    }

    /// Shuts down one or both directions, after the sends started before (`WSASendDisconnect`).
    pub fn shutdown(&self, how: ShutdownHow) -> Operation<'_, ()> {
        self.operation(Op::shutdown(Op::NO_SOCKET, how))
    }

    /// Closes the socket, for all its handles. Once the close has started, nothing can be started
    /// on the socket; when it has ended, the socket is gone. Operations in flight end before it, as
    /// the [mode](CloseMode) says. There is always room for a close. It goes on if its handle is
    /// dropped; cancelling a graceful close makes it close at once.
    pub fn close(&self, mode: CloseMode) -> Operation<'_, ()> {
        self.operation(Op::close(Op::NO_SOCKET, mode))
    }

    /// Asks every operation in flight on the socket to end early (`CancelIoEx`), and returns how
    /// many there were. Each still ends once, as if it had been cancelled alone. A close is not
    /// cancelled. The cost grows with the number of operations on this socket only.
    pub fn cancel_all(&self) -> usize {
        self.0.core.cancel_all(self.0.endpoint.key)
    }

    /// Associates the socket with a completion port under a key of your choice.
    /// [`to_port`](Operation::to_port) then leads to that port.
    ///
    /// # Errors
    /// `InvalidArgument` if it is associated already.
    pub fn associate(&self, port: &CompletionPort, key: usize) -> Result<(), Error> {
        let association = Association::new(port, key, Arc::clone(&self.0.core) as Owner);
        self.0.endpoint.association.set(Arc::new(association)).map_err(|_| {
            Error::new(Action::Port, ErrorKind::InvalidArgument).because("the socket is associated with a port already")
        })
    }

    /// Whether a receive or send of a stream that is started with [`to_port`](Operation::to_port)
    /// is first tried within the start. If it succeeds there, the start returns it and no packet is
    /// queued (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`). Without this there is always a packet.
    ///
    /// A failure, the end of the stream, a datagram, and an operation that would have to wait bring
    /// a packet. So does the operation behind one that succeeded within its start: of a socket's
    /// operations, at most every second one does. A peer that always has more to send thus gets no
    /// more of the port's threads than one that awaits each answer.
    ///
    /// # Errors
    /// `InvalidArgument` if the socket is not associated with a port.
    pub fn skip_packet_on_success(&self, skip: bool) -> Result<(), Error> {
        match self.0.endpoint.association.get() {
            Some(association) => {
                association.set_skip(skip);
                Ok(())
            }
            None => Err(Error::new(Action::Port, ErrorKind::InvalidArgument)
                .because("the socket is not associated with a completion port")),
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.listening, &self.0.peer) {
            (Some(address), _) => write!(f, "Socket(listening on {address})"),
            (None, Some(address)) => write!(f, "Socket(peer {address})"),
            (None, None) => write!(f, "Socket(socket {})", self.0.endpoint.key),
        }
    }
}
