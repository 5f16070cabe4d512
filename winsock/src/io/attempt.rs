//! Calls that do not wait, on the system's descriptor. Each operation is tried so when it starts,
//! if no other is before it; what would have to wait goes to the driver.

use std::borrow::Cow;
use std::os::fd::RawFd;

use super::memory::Memory;
use super::parts::Parts;
use crate::error::system::errno;
use crate::socket::address::Name;

/// Flags of Winsock's calls.
pub(crate) const MSG_OOB: u32 = 1;
pub(crate) const MSG_PEEK: u32 = 2;
pub(crate) const MSG_DONTROUTE: u32 = 4;
pub(crate) const MSG_WAITALL: u32 = 8;
pub(crate) const MSG_PARTIAL: u32 = 0x8000;

/// The system's flags.
pub(crate) fn system_flags(flags: u32) -> i32 {
    let pairs = [
        (MSG_OOB, libc::MSG_OOB),
        (MSG_PEEK, libc::MSG_PEEK),
        (MSG_DONTROUTE, libc::MSG_DONTROUTE),
        (MSG_WAITALL, libc::MSG_WAITALL),
    ];
    pairs.iter().filter(|(ours, _)| flags & ours != 0).fold(0, |bits, (_, system)| bits | system)
}

fn moved(result: isize) -> Result<usize, i32> {
    usize::try_from(result).map_err(|_| errno())
}

/// Receives from a stream without waiting. A receive without room only looks whether there is
/// anything.
pub(crate) fn receive(fd: RawFd, memory: &Memory, flags: u32) -> Result<usize, i32> {
    if memory.total() == 0 {
        return if is_ready(fd, libc::POLLIN) { Ok(0) } else { Err(libc::EAGAIN) };
    }
    let flags = system_flags(flags) | libc::MSG_DONTWAIT;
    loop {
        // SAFETY: the memory is lent to the operation.
        let result = moved(unsafe {
            match memory.parts() {
                [part] => libc::recv(fd, part.iov_base, part.iov_len, flags),
                parts => {
                    let parts = Parts::to_receive(parts);
                    let mut message = parts.header();
                    let got = libc::recvmsg(fd, &raw mut message, flags);
                    parts.received(usize::try_from(got).unwrap_or(0));
                    got
                }
            }
        });
        if result != Err(libc::EINTR) {
            return result;
        }
    }
}

/// Sends without waiting, perhaps not all. `to` is the destination of a datagram.
pub(crate) fn send(fd: RawFd, memory: &Memory, skip: usize, flags: u32, to: Option<&Name>) -> Result<usize, i32> {
    let flags = system_flags(flags & !MSG_WAITALL) | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    loop {
        // SAFETY: the memory is lent to the operation.
        let result = moved(unsafe {
            match (memory.parts(), to) {
                ([part], None) => libc::send(fd, part.iov_base.byte_add(skip), part.iov_len - skip, flags),
                (parts, to) => {
                    let rest = if skip > 0 { Cow::Owned(behind(parts, skip)) } else { Cow::Borrowed(parts) };
                    let parts = Parts::to_send(&rest);
                    let mut message = parts.header();
                    if let Some(to) = to {
                        message.msg_name = to.ptr().cast_mut().cast();
                        message.msg_namelen = to.len();
                    }
                    libc::sendmsg(fd, &raw const message, flags)
                }
            }
        });
        if result != Err(libc::EINTR) {
            return result;
        }
    }
}

fn behind(parts: &[libc::iovec], mut skip: usize) -> Vec<libc::iovec> {
    let mut rest = parts.to_vec();
    for part in &mut rest {
        let here = skip.min(part.iov_len);
        part.iov_base = part.iov_base.wrapping_byte_add(here);
        part.iov_len -= here;
        skip -= here;
    }
    rest
}

/// A datagram that has come.
pub(crate) struct Came {
    pub bytes: usize,
    pub truncated: bool,
    pub from: Name,
    /// The system's control messages.
    pub control: Vec<u8>,
}

/// Room for the system's control messages.
const CONTROL_BYTES: usize = 512;

/// Receives a datagram, or bytes of a stream with what comes beside them, without waiting.
pub(crate) fn receive_message(fd: RawFd, memory: &Memory, flags: u32, with_control: bool) -> Result<Came, i32> {
    let flags = system_flags(flags & !MSG_WAITALL) | libc::MSG_DONTWAIT;
    let mut from = Name::default();
    let mut control = vec![0u64; if with_control { CONTROL_BYTES / 8 } else { 0 }];
    let parts = Parts::to_receive(memory.parts());
    loop {
        let mut message = parts.header();
        message.msg_name = from.mut_ptr().cast();
        message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        message.msg_control = if with_control { control.as_mut_ptr().cast() } else { std::ptr::null_mut() };
        message.msg_controllen = control.len() * 8;
        // SAFETY: the memory is lent to the operation; name and control have the room that they
        // say.
        match moved(unsafe { libc::recvmsg(fd, &raw mut message, flags) }) {
            Err(libc::EINTR) => {}
            Err(code) => return Err(code),
            Ok(bytes) => {
                // SAFETY: the memory is lent to the operation.
                unsafe { parts.received(bytes) };
                from.set_len(message.msg_namelen);
                let bytes_of_control = control.iter().flat_map(|word| word.to_ne_bytes());
                let control = bytes_of_control.take(message.msg_controllen).collect();
                return Ok(Came { bytes, truncated: message.msg_flags & libc::MSG_TRUNC != 0, from, control });
            }
        }
    }
}

/// Sends with control messages.
pub(crate) fn send_message(
    fd: RawFd,
    memory: &Memory,
    flags: u32,
    to: Option<&Name>,
    control: &[u64],
    len: usize,
) -> Result<usize, i32> {
    let flags = system_flags(flags & !MSG_WAITALL) | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the memory is lent to the operation.
    let parts = unsafe { Parts::to_send(memory.parts()) };
    let mut message = parts.header();
    if let Some(to) = to {
        message.msg_name = to.ptr().cast_mut().cast();
        message.msg_namelen = to.len();
    }
    if len > 0 {
        message.msg_control = control.as_ptr().cast_mut().cast();
        message.msg_controllen = len;
    }
    // SAFETY: the memory is lent to the operation; the system only reads the rest.
    moved(unsafe { libc::sendmsg(fd, &raw const message, flags) })
}

/// Accepts without waiting.
pub(crate) fn accept(fd: RawFd) -> Result<(RawFd, Name), i32> {
    // The descriptor may block.
    if !is_ready(fd, libc::POLLIN) {
        return Err(libc::EAGAIN);
    }
    let mut accepted = -1;
    let name = Name::filled(|ptr, len| {
        // SAFETY: it writes at most as many bytes as there is room for.
        accepted = unsafe { libc::accept4(fd, ptr, len, libc::SOCK_CLOEXEC) };
        accepted
    })?;
    Ok((accepted, name))
}

/// Whether a descriptor is ready for one of these events of the system's.
pub(crate) fn is_ready(fd: RawFd, events: i16) -> bool {
    ready(fd, events) != 0
}

/// Which of these events a descriptor is ready for.
pub(crate) fn ready(fd: RawFd, events: i16) -> i16 {
    let mut poll = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: it writes the one entry that it is given, and does not wait.
    if unsafe { libc::poll(&raw mut poll, 1, 0) } > 0 { poll.revents } else { 0 }
}

/// Bytes that have arrived and that nothing has received.
pub(crate) fn unread(fd: RawFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: it writes one `int`, and there is room for it.
    let told = unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut count) };
    if told == 0 { usize::try_from(count).unwrap_or(0) } else { 0 }
}
