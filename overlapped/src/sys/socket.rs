//! Sockets of the operating system, and their options.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::error::{Action, Error, ErrorKind};
use crate::op::{Flags, Start};

/// A socket, as a backend knows it. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Handle(pub(super) Socket);

/// A connection that belongs to no driver at the moment: just accepted, or released. It may go to another thread; a driver
/// takes it over with [`Driver::adopt`](crate::Driver::adopt). Dropping it closes the connection.
#[derive(Debug)]
pub struct Stream(pub(crate) Handle);

/// How a listener listens, and what the connections that it accepts inherit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// Connections the system keeps until they are accepted; it cuts this down to its own limit (`net.core.somaxconn` on Linux).
    pub backlog: i32,
    /// Whether a listener on an IPv6 address takes IPv6 only. `true`, so that `[::]:7777` and `0.0.0.0:7777` can be listened on together.
    pub only_v6: bool,
    /// What accepted connections begin with.
    pub stream: StreamOptions,
}

impl Default for ListenOptions {
    /// A backlog of 4,096, `TCP_NODELAY`.
    fn default() -> ListenOptions {
        ListenOptions { backlog: 4096, only_v6: true, stream: StreamOptions::default() }
    }
}

/// Options of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// `TCP_NODELAY`: small sends leave at once.
    pub nodelay: bool,
    /// TCP keep-alive: how long a connection is idle before the system asks whether the peer is still there. `None`: never.
    pub keep_alive: Option<Duration>,
    /// Bytes of the system's receive buffer; `None` leaves it to the system, which adapts it.
    pub receive_buffer: Option<usize>,
    /// Bytes of the system's send buffer; `None` leaves it to the system, which adapts it.
    pub send_buffer: Option<usize>,
}

impl Default for StreamOptions {
    /// `TCP_NODELAY`, the rest as the system has it.
    fn default() -> StreamOptions {
        StreamOptions { nodelay: true, keep_alive: None, receive_buffer: None, send_buffer: None }
    }
}

fn apply(socket: SockRef<'_>, options: &StreamOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(options.nodelay)?;
    match options.keep_alive {
        Some(idle) => socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(idle))?,
        None => socket.set_keepalive(false)?,
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

fn tcp(family_of: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(family_of), Type::STREAM, Some(Protocol::TCP))
}

impl Handle {
    pub(crate) fn listen(address: SocketAddr, options: &ListenOptions) -> Result<Handle, Error> {
        let at = |action| move |error: io::Error| Error::io(action, &error).at(address);
        let socket = tcp(address).map_err(at(Action::Socket))?;
        if address.is_ipv6() {
            socket.set_only_v6(options.only_v6).map_err(at(Action::Option))?;
        }
        // So that a restarted server can bind while old connections are still in TIME_WAIT. (It does not let two
        // listeners share a port; on Windows it would, and is not set there.)
        socket.set_reuse_address(true).map_err(at(Action::Option))?;
        apply(SockRef::from(&socket), &options.stream).map_err(at(Action::Option))?;
        socket.bind(&address.into()).map_err(at(Action::Bind))?;
        socket.listen(options.backlog).map_err(at(Action::Listen))?;
        Ok(Handle(socket))
    }

    pub(crate) fn stream(family_of: SocketAddr) -> Result<Handle, Error> {
        let failed = |error: io::Error| Error::io(Action::Socket, &error);
        let socket = tcp(family_of).map_err(failed)?;
        apply(SockRef::from(&socket), &StreamOptions::default()).map_err(failed)?;
        Ok(Handle(socket))
    }

    pub(crate) fn local_addr(&self) -> Result<SocketAddr, Error> {
        address_of(self.0.local_addr())
    }

    pub(crate) fn peer_addr(&self) -> Result<SocketAddr, Error> {
        address_of(self.0.peer_addr())
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        apply(SockRef::from(&self.0), options).map_err(|error| Error::io(Action::Option, &error))
    }

    /// Closing will reset the connection. A socket for which this cannot be set is not connected any more.
    pub(crate) fn reset_on_close(&self) {
        let _ = self.0.set_linger(Some(Duration::ZERO));
    }
}

/// A look at a socket that someone else owns, for what is done to it directly: options, addresses, and a transfer tried without waiting.
/// It is used only under the gate of the socket it belongs to, which is shut before the socket is closed.
#[derive(Debug)]
pub(crate) struct View(BorrowedFd<'static>);

/// How a transfer went that was tried without waiting.
#[derive(Debug)]
pub(crate) enum Tried {
    /// Not, or not wholly: it has to be started.
    WouldBlock,
    Received(usize),
    Sent(u64),
    Failed(i32),
}

impl Handle {
    pub(crate) fn view(&self) -> View {
        // SAFETY: used while the gate is open, and the socket closed only after: see the type.
        View(unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) })
    }
}

impl View {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.0)
    }

    pub(crate) fn local_addr(&self) -> Result<SocketAddr, Error> {
        address_of(self.socket().local_addr())
    }

    pub(crate) fn peer_addr(&self) -> Result<SocketAddr, Error> {
        address_of(self.socket().peer_addr())
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        apply(self.socket(), options).map_err(|error| Error::io(Action::Option, &error))
    }

    /// Tries a receive or a send without flags into or from one part. A send that is cut short remembers how far it came.
    pub(crate) fn try_now(&self, start: &mut Start) -> Tried {
        let result = match start {
            Start::Recv { buf, flags: Flags::NONE, .. } => match buf.single(0) {
                Some((ptr, len)) if len > 0 => {
                    // SAFETY: the buffer's own memory, which nobody else uses while the operation has it.
                    let moved = unsafe { libc::recv(self.0.as_raw_fd(), ptr.as_ptr().cast(), len, libc::MSG_DONTWAIT) };
                    if let Ok(bytes) = usize::try_from(moved) {
                        super::set_received(buf, bytes);
                        return Tried::Received(bytes);
                    }
                    moved
                }
                _ => return Tried::WouldBlock,
            },
            Start::Send { buf, flags: Flags::NONE, done, .. } => match buf.single(*done) {
                Some((ptr, len)) if len > 0 => {
                    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                    // SAFETY: the buffer's own memory, to which nobody writes while the operation has it.
                    let moved = unsafe { libc::send(self.0.as_raw_fd(), ptr.as_ptr().cast(), len, flags) };
                    if let Ok(bytes) = usize::try_from(moved) {
                        *done += bytes as u64;
                        return if bytes == len { Tried::Sent(*done) } else { Tried::WouldBlock };
                    }
                    moved
                }
                _ => return Tried::WouldBlock,
            },
            _ => return Tried::WouldBlock,
        };
        debug_assert!(result < 0);
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Tried::WouldBlock,
            _ => Tried::Failed(error.raw_os_error().unwrap_or_default()),
        }
    }
}

fn address_of(address: io::Result<socket2::SockAddr>) -> Result<SocketAddr, Error> {
    let address = address.map_err(|error| Error::io(Action::Option, &error))?;
    address.as_socket().ok_or_else(|| Error::new(Action::Option, ErrorKind::Unsupported).because("not an IP address"))
}

impl Stream {
    /// The address of the peer.
    pub fn peer_addr(&self) -> Result<SocketAddr, Error> {
        self.0.peer_addr()
    }

    /// The address of this end.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.0.local_addr()
    }

    /// Sets options.
    pub fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        self.0.set_options(options)
    }

    /// Makes dropping it reset the connection rather than end it in order: for turning a peer away.
    pub fn reset_on_drop(&self) {
        self.0.reset_on_close();
    }
}

impl From<TcpStream> for Stream {
    /// Takes over a connection of the standard library, with its options as they are; whether it blocks is the driver's
    /// affair from here on.
    fn from(stream: TcpStream) -> Stream {
        // `io_uring_enter(2)` lets a kernel report EAGAIN of a non-blocking socket instead of waiting for it; Linux 6.18 waits
        // all the same, but a receive that is tried again and again is not a risk to take. It fails only on what is no descriptor.
        let _ = stream.set_nonblocking(false);
        Stream(Handle(stream.into()))
    }
}

impl TryFrom<Stream> for TcpStream {
    type Error = Error;
    /// Makes it a blocking connection of the standard library.
    fn try_from(stream: Stream) -> Result<TcpStream, Error> {
        stream.0.0.set_nonblocking(false).map_err(|error| Error::io(Action::Option, &error))?;
        Ok(stream.0.0.into())
    }
}
