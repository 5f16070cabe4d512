//! Sockets of Windows. All of them are overlapped, for `socket2` and the standard library make them so.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::windows::io::{AsRawSocket, BorrowedSocket};
use std::time::Duration;

use socket2::{SockAddr, Socket, Type};
use windows_sys::Win32::Networking::WinSock::{
    AF_INET6, SIO_UDP_CONNRESET, SO_EXCLUSIVEADDRUSE, SO_PROTOCOL_INFOW, SOCKET, SOL_SOCKET, WSAEINVAL, WSAEOPNOTSUPP,
    WSAEWOULDBLOCK, WSAGetLastError, WSAIoctl, WSAPROTOCOL_INFOW, getsockopt, recv, send, setsockopt,
};

use crate::address::Address;
use crate::flags::Flags;
use crate::op::Start;

use super::super::set_received;
use super::{SystemSocket, SystemView, Tried, apply};
use crate::options::StreamOptions;

/// A look at a socket that someone else owns.
pub(super) type Borrowed = BorrowedSocket<'static>;

pub(super) fn new_unix_socket(_: Type) -> io::Result<Socket> {
    Err(io::Error::from_raw_os_error(WSAEOPNOTSUPP))
}

/// An address that is not an IP address.
pub(super) fn unix_address(_: &SockAddr) -> Address {
    Address::Unnamed
}

/// Every stream is. (One that is not bound yet cannot be asked for its address here.)
pub(super) fn is_tcp(_: &Socket) -> io::Result<bool> {
    Ok(true)
}

/// Non-blocking: overlapped requests wait all the same, and what is tried without waiting does not.
pub(super) fn set_mode(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)
}

/// Nobody else can bind this address, whatever options they set: `SO_REUSEADDR` lets a socket take another's port here, unless the other forbids
/// it. (The price is that connections which the listener has left behind keep the address until they have ended.)
pub(super) fn claim_address(socket: &Socket) -> io::Result<()> {
    let yes: i32 = 1;
    set_socket_option(socket.as_raw_socket() as SOCKET, SO_EXCLUSIVEADDRUSE, &yes)
}

/// How long sent bytes may go unacknowledged: nothing that can be said here (`TCP_MAXRT` counts whole seconds, and not against a closed window).
pub(super) fn set_user_timeout(_: &Socket, timeout: Option<Duration>) -> io::Result<()> {
    timeout.map_or(Ok(()), |_| Err(io::Error::from_raw_os_error(WSAEOPNOTSUPP)))
}

/// Sets an option of the level of sockets to a plain value.
pub(in super::super) fn set_socket_option<T: Copy>(socket: SOCKET, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: the value is of the size that is given, and is read within the call.
    let result =
        unsafe { setsockopt(socket, SOL_SOCKET, option, std::ptr::from_ref(value).cast(), size_of::<T>() as i32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What the system says of a socket's protocol, and of whoever provides it.
pub(in super::super) fn protocol_of(socket: SOCKET) -> io::Result<WSAPROTOCOL_INFOW> {
    let mut info = WSAPROTOCOL_INFOW::default();
    let mut len = size_of::<WSAPROTOCOL_INFOW>() as i32;
    // SAFETY: there is room for what is asked for, and it is written within the call.
    let result = unsafe { getsockopt(socket, SOL_SOCKET, SO_PROTOCOL_INFOW, (&raw mut info).cast(), &raw mut len) };
    if result == 0 { Ok(info) } else { Err(io::Error::last_os_error()) }
}

/// The address a socket is bound to. One that is not bound yet has no address here; elsewhere it has one that says so.
pub(super) fn local_addr(socket: &Socket) -> io::Result<SockAddr> {
    match socket.local_addr() {
        Err(error) if error.raw_os_error() == Some(WSAEINVAL) => {
            let family = protocol_of(socket.as_raw_socket() as SOCKET)?.iAddressFamily;
            Ok(unspecified(family == i32::from(AF_INET6)).into())
        }
        known => known,
    }
}

/// Any address and any port of a family.
pub(in super::super) fn unspecified(v6: bool) -> SocketAddr {
    let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    (any, 0).into()
}

/// Whether receives fail when an earlier datagram was answered with "port unreachable". Elsewhere only a connected socket is told.
pub(in super::super) fn report_unreachable(socket: &Socket, report: bool) -> io::Result<()> {
    let report = i32::from(report);
    let mut returned = 0;
    // SAFETY: the value is read within the call, which is not overlapped.
    let result = unsafe {
        WSAIoctl(
            socket.as_raw_socket() as SOCKET,
            SIO_UDP_CONNRESET,
            (&raw const report).cast(),
            size_of::<i32>() as u32,
            std::ptr::null_mut(),
            0,
            &raw mut returned,
            std::ptr::null_mut(),
            None,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl SystemSocket {
    /// A connection that `listener` has accepted, with the options that connections of it begin with.
    pub(in super::super) fn accepted(socket: Socket, listener: &StreamOptions) -> io::Result<SystemSocket> {
        apply((&socket).into(), listener, true)?;
        SystemSocket::of(socket)
    }

    /// What connections of this listener begin with.
    pub(in super::super) fn inherits(&self) -> &StreamOptions {
        &self.inherits
    }

    pub(in super::super) fn raw_socket(&self) -> SOCKET {
        self.socket.as_raw_socket() as SOCKET
    }

    pub(crate) fn view(&self) -> SystemView {
        // SAFETY: used while the gate is open, and the socket closed only after: see the type.
        SystemView(unsafe { BorrowedSocket::borrow_raw(self.socket.as_raw_socket()) })
    }
}

impl SystemView {
    /// Tries a receive or a send without flags into or from one part. A send that is cut short remembers how far it came.
    pub(crate) fn try_now(&self, start: &mut Start) -> Tried {
        let socket = self.0.as_raw_socket() as SOCKET;
        let moved = match start {
            Start::Recv { buf, flags: Flags::NONE, .. } => match buf.single(0) {
                Some((ptr, len)) if len > 0 => {
                    let len = i32::try_from(len).unwrap_or(i32::MAX);
                    // SAFETY: a socket that does not block, and the buffer's own memory, which nobody else uses while the operation has it.
                    let moved = unsafe { recv(socket, ptr.as_ptr(), len, 0) };
                    if let Ok(bytes) = usize::try_from(moved) {
                        set_received(buf, bytes);
                        return Tried::Received(bytes);
                    }
                    moved
                }
                _ => return Tried::WouldBlock,
            },
            Start::Send { buf, flags: Flags::NONE, done, .. } => match buf.single(*done) {
                Some((ptr, whole)) if whole > 0 => {
                    let len = i32::try_from(whole).unwrap_or(i32::MAX);
                    // SAFETY: a socket that does not block, and the buffer's own memory, to which nobody writes while the operation has it.
                    let moved = unsafe { send(socket, ptr.as_ptr(), len, 0) };
                    if let Ok(bytes) = usize::try_from(moved) {
                        *done += bytes as u64;
                        return if bytes == whole { Tried::Sent(*done) } else { Tried::WouldBlock };
                    }
                    moved
                }
                _ => return Tried::WouldBlock,
            },
            _ => return Tried::WouldBlock,
        };
        debug_assert!(moved < 0);
        // SAFETY: reads a value of this thread.
        match unsafe { WSAGetLastError() } {
            WSAEWOULDBLOCK => Tried::WouldBlock,
            code => Tried::Failed(code),
        }
    }
}
