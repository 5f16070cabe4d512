//! The completion port: where the system puts a packet for every overlapped request that has ended.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::Networking::WinSock::SOCKET;
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::INFINITE;

/// The key of packets of sockets.
pub(super) const SOCKETS: usize = 0;
/// The key of the packet that ends a wait, and means nothing else.
const WAKE: usize = 1;

/// Packets taken at a time.
const BATCH: usize = 256;

#[derive(Clone)]
pub(super) struct Port(Arc<OwnedHandle>);

impl Port {
    pub(super) fn new() -> io::Result<Port> {
        // SAFETY: makes a port that no file belongs to. One thread takes from it.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, std::ptr::null_mut(), 0, 1) };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a handle made just now, and nobody else's.
        Ok(Port(Arc::new(unsafe { OwnedHandle::from_raw_handle(port) })))
    }

    fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// The socket's requests will end with packets here. It cannot be taken back.
    pub(super) fn associate(&self, socket: SOCKET) -> io::Result<()> {
        // SAFETY: both are open handles.
        let port = unsafe { CreateIoCompletionPort(socket as HANDLE, self.raw(), SOCKETS, 0) };
        if port.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Ends the wait of the thread that is in [`take`](Port::take). It fails only when the system
    /// is out of memory.
    pub(super) fn ring(&self) {
        // SAFETY: an open port; a packet without an `OVERLAPPED`.
        unsafe { PostQueuedCompletionStatus(self.raw(), 0, WAKE, std::ptr::null()) };
    }

    /// Takes packets, waiting for the first at most so long.
    pub(super) fn take(&self, packets: &mut Packets, limit: Option<Duration>) -> io::Result<()> {
        debug_assert!(packets.is_empty());
        let mut count = 0;
        let entries = &mut packets.entries;
        // SAFETY: the entries are written within the call, and so is the count.
        let taken = unsafe {
            GetQueuedCompletionStatusEx(
                self.raw(),
                entries.as_mut_ptr(),
                entries.len() as u32,
                &raw mut count,
                millis(limit),
                0,
            )
        };
        packets.next = 0;
        packets.count = 0;
        if taken != 0 {
            packets.count = count as usize;
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(WAIT_TIMEOUT as i32) { Ok(()) } else { Err(error) }
    }
}

/// Whole milliseconds, rounded up: a wait that ended early would only be followed by another.
fn millis(limit: Option<Duration>) -> u32 {
    match limit {
        None => INFINITE,
        Some(limit) => limit.as_nanos().div_ceil(1_000_000).min(u128::from(INFINITE - 1)) as u32,
    }
}

/// Packets that were taken from the port and have not been looked at.
pub(super) struct Packets {
    entries: Box<[OVERLAPPED_ENTRY]>,
    next: usize,
    count: usize,
}

impl Packets {
    pub(super) fn new() -> Packets {
        Packets { entries: vec![OVERLAPPED_ENTRY::default(); BATCH].into(), next: 0, count: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == self.count
    }

    /// The next packet of a socket.
    pub(super) fn pop(&mut self) -> Option<OVERLAPPED_ENTRY> {
        while !self.is_empty() {
            let entry = self.entries[self.next];
            self.next += 1;
            if entry.lpCompletionKey == SOCKETS {
                return Some(entry);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_whole_milliseconds_rounded_up() {
        assert_eq!(millis(None), INFINITE);
        assert_eq!(millis(Some(Duration::ZERO)), 0);
        assert_eq!(millis(Some(Duration::from_nanos(1))), 1);
        assert_eq!(millis(Some(Duration::from_millis(7))), 7);
        assert_eq!(millis(Some(Duration::MAX)), INFINITE - 1, "long, but not for ever");
    }

    #[test]
    fn a_ring_ends_a_wait_and_is_not_a_packet() {
        let port = Port::new().unwrap();
        let mut packets = Packets::new();
        port.ring();
        port.take(&mut packets, None).unwrap();
        assert!(!packets.is_empty());
        assert!(packets.pop().is_none());
        port.take(&mut packets, Some(Duration::ZERO)).unwrap();
        assert!(packets.is_empty());
    }
}
