//! Winsock's codes, and what calls without an overlapped request come to.

use std::io;

use windows_sys::Win32::Foundation::{ERROR_NETNAME_DELETED, ERROR_PORT_UNREACHABLE};
use windows_sys::Win32::Networking::WinSock::{WSAECONNREFUSED, WSAECONNRESET, WSAEINVAL, WSAGetLastError};

use super::super::op::{Failure, Outcome};

pub(super) fn last_error() -> i32 {
    // SAFETY: reads a value of this thread.
    unsafe { WSAGetLastError() }
}

pub(super) fn code(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(WSAEINVAL)
}

/// What came of something that was done at once.
pub(super) fn done(result: io::Result<()>, outcome: Outcome) -> Result<Outcome, Failure> {
    match result {
        Ok(()) => Ok(outcome),
        Err(error) => Err(Failure::Code(code(&error))),
    }
}

/// The code of a failed request. On a connected datagram socket, Winsock reports a reset when the
/// peer's port is closed; other systems report that the connection was refused.
pub(super) fn code_of(code: i32, connected_datagram: bool) -> i32 {
    let unreachable =
        code == WSAECONNRESET || code == ERROR_PORT_UNREACHABLE as i32 || code == ERROR_NETNAME_DELETED as i32;
    if connected_datagram && unreachable { WSAECONNREFUSED } else { code }
}
