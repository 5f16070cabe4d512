//! Sending many datagrams at once, without an operation.

use std::net::SocketAddr;

/// A datagram to be sent by [`Driver::send_datagrams`](crate::Driver::send_datagrams).
#[derive(Clone, Copy, Debug)]
pub struct DatagramTo<'a> {
    /// What is sent.
    pub bytes: &'a [u8],
    /// Where it goes.
    pub to: SocketAddr,
}

/// Datagrams that one system call sends, at most.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST: usize = 64;

/// Sends datagrams, from the first on, as many as the system takes without waiting. Returns how
/// many, or the system's code if it did not take the first.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn send(fd: std::os::fd::RawFd, datagrams: &[DatagramTo<'_>]) -> Result<usize, i32> {
    let datagrams = &datagrams[..datagrams.len().min(MOST)];
    let mut names = [Name::NOWHERE; MOST];
    let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MOST];
    // SAFETY: all zeroes is a valid `mmsghdr`: no name, no parts, no control data.
    let mut messages: [libc::mmsghdr; MOST] = unsafe { std::mem::zeroed() };
    for (index, datagram) in datagrams.iter().enumerate() {
        let header = &mut messages[index].msg_hdr;
        header.msg_namelen = names[index].set(datagram.to);
        header.msg_name = (&raw mut names[index]).cast();
        parts[index] =
            libc::iovec { iov_base: datagram.bytes.as_ptr().cast_mut().cast(), iov_len: datagram.bytes.len() };
        header.msg_iov = &raw mut parts[index];
        header.msg_iovlen = 1;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: each message names an address and a part that live until the call has returned. The
    // system only reads them.
    let sent = unsafe { libc::sendmmsg(fd, messages.as_mut_ptr(), datagrams.len() as u32, flags as _) };
    usize::try_from(sent).map_err(|_| last_code())
}

/// As on Linux, one by one.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub(super) fn send(fd: std::os::fd::RawFd, datagrams: &[DatagramTo<'_>]) -> Result<usize, i32> {
    one_by_one(datagrams, |datagram| {
        let mut name = Name::NOWHERE;
        let len = name.set(datagram.to);
        // SAFETY: the bytes and the address live until the call has returned. The system only reads
        // them.
        let sent = unsafe {
            libc::sendto(
                fd,
                datagram.bytes.as_ptr().cast(),
                datagram.bytes.len(),
                libc::MSG_DONTWAIT,
                (&raw const name).cast(),
                len,
            )
        };
        if sent < 0 { Err(last_code()) } else { Ok(()) }
    })
}

/// As on Linux, one by one. The socket does not block.
#[cfg(windows)]
pub(super) fn send(socket: std::os::windows::io::RawSocket, datagrams: &[DatagramTo<'_>]) -> Result<usize, i32> {
    use windows_sys::Win32::Networking::WinSock::{SOCKET, WSAGetLastError, sendto};
    one_by_one(datagrams, |datagram| {
        let name = socket2::SockAddr::from(datagram.to);
        let len = i32::try_from(datagram.bytes.len()).unwrap_or(i32::MAX);
        // SAFETY: an open socket. The bytes and the address live until the call has returned. The
        // system only reads them.
        let sent =
            unsafe { sendto(socket as SOCKET, datagram.bytes.as_ptr(), len, 0, name.as_ptr().cast(), name.len()) };
        // SAFETY: it reads a number of this thread.
        if sent < 0 { Err(unsafe { WSAGetLastError() }) } else { Ok(()) }
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn one_by_one(
    datagrams: &[DatagramTo<'_>],
    mut send: impl FnMut(&DatagramTo<'_>) -> Result<(), i32>,
) -> Result<usize, i32> {
    for (sent, datagram) in datagrams.iter().enumerate() {
        match send(datagram) {
            Ok(()) => {}
            // The next call tells of it.
            Err(_) if sent > 0 => return Ok(sent),
            Err(code) => return Err(code),
        }
    }
    Ok(datagrams.len())
}

#[cfg(unix)]
fn last_code() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Whether a datagram was not sent because the call would have had to wait.
pub(super) fn would_wait(code: i32) -> bool {
    #[cfg(unix)]
    let waits = code == libc::EAGAIN;
    #[cfg(windows)]
    let waits = code == windows_sys::Win32::Networking::WinSock::WSAEWOULDBLOCK;
    waits
}

/// An IP address as the system takes it, in as little memory as that allows.
#[cfg(unix)]
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

#[cfg(unix)]
impl Name {
    // SAFETY: all zeroes is a valid address of no family.
    const NOWHERE: Name = unsafe { std::mem::zeroed() };

    /// Sets the address. Returns its length.
    fn set(&mut self, to: SocketAddr) -> libc::socklen_t {
        let name = socket2::SockAddr::from(to);
        let len = (name.len() as usize).min(size_of::<Name>());
        // SAFETY: both have at least so many bytes, and any bytes are an address.
        unsafe { std::ptr::copy_nonoverlapping(name.as_ptr().cast::<u8>(), (&raw mut *self).cast::<u8>(), len) };
        len as libc::socklen_t
    }
}
