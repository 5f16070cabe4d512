//! Options of Windows.

use std::io;
use std::net::Ipv4Addr;
use std::os::windows::io::AsRawSocket;
use std::time::Duration;

use socket2::{InterfaceIndexOrAddress, Socket};
use windows_sys::Win32::Networking::WinSock::{
    AF_INET6, IPPROTO_TCP, SO_EXCLUSIVEADDRUSE, SOCKET, SOL_SOCKET, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL,
    getsockopt, setsockopt,
};

use super::super::socket::windows::protocol_of;
use super::fault::Fault;

pub(super) const TCP: i32 = IPPROTO_TCP;
pub(super) const SOCKET_LEVEL: i32 = SOL_SOCKET;
pub(super) const EXCLUSIVE: i32 = SO_EXCLUSIVEADDRUSE;
pub(super) const KEEP_ALIVE_IDLE: i32 = TCP_KEEPIDLE;
pub(super) const KEEP_ALIVE_INTERVAL: i32 = TCP_KEEPINTVL;
pub(super) const KEEP_ALIVE_PROBES: i32 = TCP_KEEPCNT;

const LINUX_ONLY: Fault = Fault::Unsupported("only Linux has it");
const UNIX_ONLY: Fault = Fault::Unsupported("Windows has no such option, or ignores it");

/// Reads an option. Says how many bytes the system has written.
pub(super) fn get(socket: &Socket, level: i32, name: i32, room: &mut [u8]) -> io::Result<usize> {
    let mut len = i32::try_from(room.len()).unwrap_or(i32::MAX);
    // SAFETY: the system writes at most `len` bytes, and there is room for so many.
    let result = unsafe { getsockopt(socket.as_raw_socket() as SOCKET, level, name, room.as_mut_ptr(), &raw mut len) };
    let written = usize::try_from(len).unwrap_or_default();
    if result == 0 { Ok(room.len().min(written)) } else { Err(io::Error::last_os_error()) }
}

/// Sets an option.
pub(super) fn set(socket: &Socket, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let len = i32::try_from(value.len()).unwrap_or(i32::MAX);
    // SAFETY: the system reads `len` bytes within the call.
    let result = unsafe { setsockopt(socket.as_raw_socket() as SOCKET, level, name, value.as_ptr(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The family is known from the start; the address only once the socket is bound.
pub(super) fn is_v6(socket: &Socket) -> io::Result<bool> {
    Ok(protocol_of(socket.as_raw_socket() as SOCKET)?.iAddressFamily == i32::from(AF_INET6))
}

pub(super) fn reuse_port(_: &Socket) -> Result<bool, Fault> {
    Err(UNIX_ONLY)
}

pub(super) fn set_reuse_port(_: &Socket, _: &bool) -> Result<(), Fault> {
    Err(UNIX_ONLY)
}

pub(super) fn tos(_: &Socket) -> Result<u32, Fault> {
    Err(UNIX_ONLY)
}

pub(super) fn set_tos(_: &Socket, _: &u32) -> Result<(), Fault> {
    Err(UNIX_ONLY)
}

pub(super) fn join_v4_by_index(socket: &Socket, group: Ipv4Addr, index: u32) -> io::Result<()> {
    socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
}

pub(super) fn leave_v4_by_index(socket: &Socket, group: Ipv4Addr, index: u32) -> io::Result<()> {
    socket.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
}

/// An address of 0.0.0.0/8 is the number of an interface here.
pub(super) fn set_multicast_interface_v4(socket: &Socket, index: u32) -> io::Result<()> {
    socket.set_multicast_if_v4(&Ipv4Addr::from(index))
}

pub(super) fn bind_address_no_port(_: &Socket) -> Result<bool, Fault> {
    Err(LINUX_ONLY)
}

pub(super) fn set_bind_address_no_port(_: &Socket, _: &bool) -> Result<(), Fault> {
    Err(LINUX_ONLY)
}

pub(super) fn user_timeout(_: &Socket) -> Result<Option<Duration>, Fault> {
    Err(LINUX_ONLY)
}

/// (`TCP_MAXRT` counts whole seconds, and not against a closed window.)
pub(super) fn set_user_timeout(_: &Socket, _: &Option<Duration>) -> Result<(), Fault> {
    Err(LINUX_ONLY)
}
