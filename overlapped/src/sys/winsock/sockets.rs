//! What this backend has to know of a socket.

use std::io;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::{AF_INET6, SOCK_DGRAM, SOCKET, XP1_IFS_HANDLES};
use windows_sys::Win32::Storage::FileSystem::SetFileCompletionNotificationModes;
use windows_sys::Win32::System::WindowsProgramming::{
    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE,
};

use super::super::socket::windows::protocol_of;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
pub(super) struct Socket {
    pub(super) datagram: bool,
    pub(super) v6: bool,
    /// A datagram socket that has a peer.
    pub(super) connected: bool,
    /// A request that succeeds at once sends no packet.
    pub(super) skips: bool,
    /// A stream that was shut down for receiving.
    pub(super) shut: bool,
    /// The slot of the receive that was started last.
    pub(super) receive: u32,
}

impl Socket {
    pub(super) const NONE: Socket =
        Socket { datagram: false, v6: false, connected: false, skips: false, shut: false, receive: NONE };

    pub(super) fn of(socket: SOCKET) -> io::Result<Socket> {
        let protocol = protocol_of(socket)?;
        let datagram = protocol.iSocketType == SOCK_DGRAM;
        // Sockets of a layered provider that are not handles of the system would break the rule by
        // which packets are left out. And a truncated datagram both fails and succeeds.
        let skips = !datagram && protocol.dwServiceFlags1 & XP1_IFS_HANDLES != 0 && skip_packets(socket);
        Ok(Socket { datagram, v6: protocol.iAddressFamily == i32::from(AF_INET6), skips, ..Socket::NONE })
    }
}

/// Makes requests that succeed at once send no packet; says whether that is possible. Everything
/// also works without it.
fn skip_packets(socket: SOCKET) -> bool {
    let modes = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
    // SAFETY: an open handle.
    unsafe { SetFileCompletionNotificationModes(socket as HANDLE, modes as u8) != 0 }
}
