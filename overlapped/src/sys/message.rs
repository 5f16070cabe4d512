//! Messages as `sendmsg` and `recvmsg` take them: several buffers, and an address.

use std::net::SocketAddr;

use crate::address::Address;
use crate::flags::Flags;

use super::op::Owned;
use super::socket::address_from;

/// The most buffers the system takes in one call (`IOV_MAX`); the driver resumes behind them.
const MOST_PARTS: usize = 1024;
/// The most bytes the system moves in one call (on Linux `MAX_RW_COUNT`, 2 GiB less a page); the
/// driver resumes behind them.
pub(super) const MOST_BYTES: usize = 0x7fff_f000;

/// What the system reads besides the buffers themselves. It must not move while a request is in
/// flight.
pub(super) struct Message {
    pub(super) header: libc::msghdr,
    parts: Vec<libc::iovec>,
    pub(super) address: socket2::SockAddr,
}

impl Message {
    pub(super) fn new() -> Box<Message> {
        // SAFETY: all zeroes is a valid `msghdr`: no name, no parts, no control data.
        let header = unsafe { std::mem::zeroed() };
        Box::new(Message { header, parts: Vec::new(), address: nowhere() })
    }

    /// Makes room for the sender's address.
    pub(super) fn take_name(&mut self) {
        self.address = nowhere();
        self.header.msg_name = self.address.as_ptr().cast_mut().cast();
        self.header.msg_namelen = NAME_BYTES;
    }

    /// Sets the address that the datagram goes to.
    pub(super) fn give_name(&mut self, address: socket2::SockAddr) {
        self.address = address;
        self.header.msg_name = self.address.as_ptr().cast_mut().cast();
        self.header.msg_namelen = self.address.len();
    }

    /// Clears it for its next use. (A multishot receive of datagrams would take the length of an
    /// old part as its limit.)
    pub(super) fn clear(&mut self) {
        self.parts.clear();
        self.header.msg_name = std::ptr::null_mut();
        self.header.msg_namelen = 0;
        self.header.msg_iov = std::ptr::null_mut();
        self.header.msg_iovlen = 0;
    }

    /// The sender's address, which the system has written.
    pub(super) fn name(&self) -> Address {
        let len = self.header.msg_namelen.min(NAME_BYTES) as usize;
        // SAFETY: the storage has room for so many bytes, and is all zeroes where the system has
        // not written.
        name_of(unsafe { std::slice::from_raw_parts(self.address.as_ptr().cast(), len) })
    }

    /// Points to what an operation still has to move; says how many bytes that is.
    pub(super) fn gather(&mut self, owned: &mut Owned) -> usize {
        self.parts.clear();
        let mut bytes = 0;
        owned.each_left(&mut |ptr, len| {
            let here = len.min(MOST_BYTES - bytes);
            self.parts.push(libc::iovec { iov_base: ptr.cast(), iov_len: here });
            bytes += here;
            self.parts.len() < MOST_PARTS && bytes < MOST_BYTES
        });
        self.point();
        bytes
    }

    /// Points to one part.
    pub(super) fn name_part(&mut self, ptr: *mut u8, len: usize) {
        self.parts.clear();
        self.parts.push(libc::iovec { iov_base: ptr.cast(), iov_len: len });
        self.point();
    }

    fn point(&mut self) {
        self.header.msg_iov = self.parts.as_mut_ptr();
        // A `size_t` on some systems, an `int` on others.
        self.header.msg_iovlen = self.parts.len() as _;
    }
}

/// Room for the address of any family.
pub(super) const NAME_BYTES: u32 = size_of::<libc::sockaddr_storage>() as u32;

/// A placeholder with room for any address.
fn nowhere() -> socket2::SockAddr {
    let nowhere: SocketAddr = ([0, 0, 0, 0], 0).into();
    nowhere.into()
}

/// An address as the system writes it.
pub(super) fn name_of(bytes: &[u8]) -> Address {
    let mut storage = socket2::SockAddrStorage::zeroed();
    let len = bytes.len().min(size_of::<socket2::SockAddrStorage>());
    // SAFETY: the storage has at least `len` bytes, and any bytes are valid.
    let address = unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut storage).cast(), len);
        socket2::SockAddr::new(storage, len as u32)
    };
    address_from(&address)
}

/// Flags as the system takes them.
pub(super) fn flag_bits(flags: Flags) -> i32 {
    let mut bits = 0;
    for (flag, bit) in
        [(Flags::PEEK, libc::MSG_PEEK), (Flags::WAIT_ALL, libc::MSG_WAITALL), (Flags::OUT_OF_BAND, libc::MSG_OOB)]
    {
        if flags.contains(flag) {
            bits |= bit;
        }
    }
    bits
}
