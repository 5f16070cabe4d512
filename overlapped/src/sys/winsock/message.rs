//! Buffers and flags as Winsock takes them.

use windows_sys::Win32::Networking::WinSock::{MSG_OOB, MSG_PEEK, WSABUF};

use crate::flags::Flags;

use super::super::op::Owned;

/// The most parts that are given to the system at once; the driver resumes behind them.
const MOST_PARTS: usize = 1024;
/// The most bytes that are given to the system at once, which locks their memory; the driver
/// resumes behind them.
const MOST_BYTES: usize = 16 << 20;

/// The most bytes of a datagram: 65,535 less the headers. The system is not asked for more.
pub(super) fn most_bytes(v6: bool) -> u32 {
    if v6 { 65_535 - 8 } else { 65_535 - 20 - 8 }
}

/// Without wait-all, which is the driver's: a socket that does not block refuses `MSG_WAITALL`.
pub(super) fn message_flags(flags: Flags) -> u32 {
    let mut bits = 0;
    for (flag, bit) in [(Flags::PEEK, MSG_PEEK), (Flags::OUT_OF_BAND, MSG_OOB)] {
        if flags.contains(flag) {
            bits |= bit as u32;
        }
    }
    bits
}

/// Names the parts of an operation's buffer that are still to be moved. At least one part, which
/// may be empty.
pub(super) fn gather(parts: &mut Vec<WSABUF>, owned: &mut Owned) {
    let mut bytes = 0;
    owned.each_left(&mut |ptr, len| {
        let here = len.min(MOST_BYTES - bytes);
        parts.push(WSABUF { len: here as u32, buf: ptr });
        bytes += here;
        parts.len() < MOST_PARTS && bytes < MOST_BYTES
    });
    if parts.is_empty() {
        parts.push(WSABUF { len: 0, buf: std::ptr::NonNull::dangling().as_ptr() });
    }
}
