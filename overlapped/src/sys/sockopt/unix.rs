//! Options of Unix systems.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::Socket;

use super::fault::Fault;

pub(super) const TCP: i32 = libc::IPPROTO_TCP;
#[cfg(not(target_vendor = "apple"))]
pub(super) const KEEP_ALIVE_IDLE: i32 = libc::TCP_KEEPIDLE;
#[cfg(target_vendor = "apple")]
pub(super) const KEEP_ALIVE_IDLE: i32 = libc::TCP_KEEPALIVE;
pub(super) const KEEP_ALIVE_INTERVAL: i32 = libc::TCP_KEEPINTVL;
pub(super) const KEEP_ALIVE_PROBES: i32 = libc::TCP_KEEPCNT;

/// Reads an option. Says how many bytes the system has written.
pub(super) fn get(socket: &Socket, level: i32, name: i32, room: &mut [u8]) -> io::Result<usize> {
    let mut len = room.len() as libc::socklen_t;
    // SAFETY: the system writes at most `len` bytes, and there is room for so many.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, room.as_mut_ptr().cast(), &raw mut len) };
    if result == 0 { Ok(room.len().min(len as usize)) } else { Err(io::Error::last_os_error()) }
}

/// Sets an option.
pub(super) fn set(socket: &Socket, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let len = value.len() as libc::socklen_t;
    // SAFETY: the system reads `len` bytes within the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub(super) fn is_v6(socket: &Socket) -> io::Result<bool> {
    Ok(socket.local_addr()?.is_ipv6())
}

pub(super) fn reuse_port(socket: &Socket) -> Result<bool, Fault> {
    Ok(socket.reuse_port()?)
}

pub(super) fn set_reuse_port(socket: &Socket, on: &bool) -> Result<(), Fault> {
    Ok(socket.set_reuse_port(*on)?)
}

pub(super) fn tos(socket: &Socket) -> Result<u32, Fault> {
    Ok(if is_v6(socket)? { socket.tclass_v6()? } else { socket.tos_v4()? })
}

pub(super) fn set_tos(socket: &Socket, tos: &u32) -> Result<(), Fault> {
    let set = if is_v6(socket)? { socket.set_tclass_v6(*tos) } else { socket.set_tos_v4(*tos) };
    set.map_err(Fault::Io)
}

/// The request of a group or of an interface by number: `struct ip_mreqn`.
fn by_index(group: Ipv4Addr, index: u32) -> [u8; 12] {
    let mut request = [0; 12];
    request[..4].copy_from_slice(&group.octets());
    request[8..].copy_from_slice(&index.to_ne_bytes());
    request
}

pub(super) fn join_v4_by_index(socket: &Socket, group: Ipv4Addr, index: u32) -> io::Result<()> {
    set(socket, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &by_index(group, index))
}

pub(super) fn leave_v4_by_index(socket: &Socket, group: Ipv4Addr, index: u32) -> io::Result<()> {
    set(socket, libc::IPPROTO_IP, libc::IP_DROP_MEMBERSHIP, &by_index(group, index))
}

pub(super) fn set_multicast_interface_v4(socket: &Socket, index: u32) -> io::Result<()> {
    set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &by_index(Ipv4Addr::UNSPECIFIED, index))
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    pub(in super::super) fn bind_address_no_port(socket: &Socket) -> Result<bool, Fault> {
        let mut room = [0; 4];
        get(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, &mut room)?;
        Ok(i32::from_ne_bytes(room) != 0)
    }

    pub(in super::super) fn set_bind_address_no_port(socket: &Socket, on: &bool) -> Result<(), Fault> {
        Ok(set(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, &i32::from(*on).to_ne_bytes())?)
    }

    pub(in super::super) fn user_timeout(socket: &Socket) -> Result<Option<Duration>, Fault> {
        Ok(socket.tcp_user_timeout()?)
    }

    /// Zero milliseconds would mean the system's default.
    pub(in super::super) fn set_user_timeout(socket: &Socket, timeout: &Option<Duration>) -> Result<(), Fault> {
        Ok(socket.set_tcp_user_timeout(timeout.map(|timeout| timeout.max(Duration::from_millis(1))))?)
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::*;

#[cfg(not(target_os = "linux"))]
mod other {
    use super::*;

    const LINUX_ONLY: Fault = Fault::Unsupported("only Linux has it");

    pub(in super::super) fn bind_address_no_port(_: &Socket) -> Result<bool, Fault> {
        Err(LINUX_ONLY)
    }

    pub(in super::super) fn set_bind_address_no_port(_: &Socket, _: &bool) -> Result<(), Fault> {
        Err(LINUX_ONLY)
    }

    pub(in super::super) fn user_timeout(_: &Socket) -> Result<Option<Duration>, Fault> {
        Err(LINUX_ONLY)
    }

    pub(in super::super) fn set_user_timeout(_: &Socket, _: &Option<Duration>) -> Result<(), Fault> {
        Err(LINUX_ONLY)
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use other::*;
