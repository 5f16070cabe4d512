//! Sockets of Windows. All of them are overlapped: `socket2` and the standard library make them so.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::windows::io::{AsRawSocket, BorrowedSocket};

use socket2::{SockAddr, Socket, Type};
use windows_sys::Win32::Networking::WinSock::{
    AF_INET6, FIONREAD, POLLRDNORM, SIO_UDP_CONNRESET, SO_PROTOCOL_INFOW, SOCKET, SOL_SOCKET, WSAEINVAL, WSAEOPNOTSUPP,
    WSAEWOULDBLOCK, WSAGetLastError, WSAIoctl, WSAPOLLFD, WSAPROTOCOL_INFOW, WSAPoll, getsockopt, ioctlsocket, recv,
    send, setsockopt,
};

use crate::address::Address;
use crate::options::check::Target;

/// A socket that someone else owns.
pub(super) type Borrowed = BorrowedSocket<'static>;

pub(super) fn new_unix_socket(_: Type) -> io::Result<Socket> {
    Err(io::Error::from_raw_os_error(WSAEOPNOTSUPP))
}

/// Bytes that have arrived and that nothing has received.
pub(super) fn unread(socket: &Socket) -> Option<usize> {
    let mut count = 0u32;
    // SAFETY: the system writes one `u32`, and there is room for it.
    let result = unsafe { ioctlsocket(socket.as_raw_socket() as SOCKET, FIONREAD, &raw mut count) };
    (result == 0).then_some(count as usize)
}

/// Windows does not say how much of what was sent has been confirmed.
pub(super) fn unsent(_: &Socket) -> Option<usize> {
    None
}

/// An address that is not an IP address.
pub(super) fn unix_address(_: &SockAddr) -> Address {
    Address::Unnamed
}

/// What a socket's options are set on. Every stream is TCP here. (One that is not bound yet cannot
/// be asked for its address.)
pub(super) fn target(socket: &Socket) -> io::Result<Target> {
    Ok(if socket.r#type()? == Type::DGRAM { Target::Datagrams } else { Target::Tcp })
}

/// Makes it non-blocking: overlapped requests wait all the same, plain calls do not.
pub(super) fn set_mode(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)
}

/// Sets an option of the level of sockets to a plain value.
pub(in super::super) fn set_socket_option<T: Copy>(socket: SOCKET, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: the value is of the size that is given, and is read within the call.
    let result =
        unsafe { setsockopt(socket, SOL_SOCKET, option, std::ptr::from_ref(value).cast(), size_of::<T>() as i32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What the system says of a socket's protocol and of its provider.
pub(in super::super) fn protocol_of(socket: SOCKET) -> io::Result<WSAPROTOCOL_INFOW> {
    let mut info = WSAPROTOCOL_INFOW::default();
    let mut len = size_of::<WSAPROTOCOL_INFOW>() as i32;
    // SAFETY: there is room for what is asked for, and it is written within the call.
    let result = unsafe { getsockopt(socket, SOL_SOCKET, SO_PROTOCOL_INFOW, (&raw mut info).cast(), &raw mut len) };
    if result == 0 { Ok(info) } else { Err(io::Error::last_os_error()) }
}

/// The address a socket is bound to. Before it is bound, Windows has no address for it; other
/// systems have an unspecified one, which is given here too.
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

/// Whether receives fail when an earlier datagram was answered with "port unreachable". On other
/// systems only a connected socket is told.
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

/// Whether a client is in a listener's backlog. If that cannot be found out, one may be.
pub(super) fn has_client(listener: &Socket) -> bool {
    let mut poll = WSAPOLLFD { fd: listener.as_raw_socket() as SOCKET, events: POLLRDNORM, revents: 0 };
    // SAFETY: it writes the one structure that it is given, and does not wait.
    unsafe { WSAPoll(&raw mut poll, 1, 0) != 0 }
}

/// A view of a socket that someone else owns.
///
/// # Safety
/// The socket is not closed while the view is used.
pub(super) unsafe fn borrow(socket: &Socket) -> Borrowed {
    // SAFETY: as the caller says.
    unsafe { BorrowedSocket::borrow_raw(socket.as_raw_socket()) }
}

/// Receives into `len` bytes at `ptr` without waiting. `None` if it would have to wait.
///
/// # Safety
/// The memory may be written to, and nobody else uses it meanwhile.
pub(super) unsafe fn recv_now(socket: &Borrowed, ptr: *mut u8, len: usize) -> Result<Option<usize>, i32> {
    let len = i32::try_from(len).unwrap_or(i32::MAX);
    // SAFETY: a socket that does not block; the rest as the caller says.
    moved(unsafe { recv(socket.as_raw_socket() as SOCKET, ptr, len, 0) })
}

/// Sends `len` bytes at `ptr` without waiting; perhaps not all. `None` if it would have to wait.
///
/// # Safety
/// The memory is initialised, and nobody writes to it meanwhile.
pub(super) unsafe fn send_now(socket: &Borrowed, ptr: *const u8, len: usize) -> Result<Option<usize>, i32> {
    let len = i32::try_from(len).unwrap_or(i32::MAX);
    // SAFETY: a socket that does not block; the rest as the caller says.
    moved(unsafe { send(socket.as_raw_socket() as SOCKET, ptr, len, 0) })
}

fn moved(result: i32) -> Result<Option<usize>, i32> {
    if let Ok(bytes) = usize::try_from(result) {
        return Ok(Some(bytes));
    }
    // SAFETY: reads a value of this thread.
    match unsafe { WSAGetLastError() } {
        WSAEWOULDBLOCK => Ok(None),
        code => Err(code),
    }
}
