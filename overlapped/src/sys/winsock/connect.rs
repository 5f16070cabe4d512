//! Connecting: a `ConnectEx`, for which the socket has to be bound first.

use std::io;

use windows_sys::Win32::Networking::WinSock::{
    SO_UPDATE_CONNECT_CONTEXT, SOCKET, SOL_SOCKET, WSAEAFNOSUPPORT, WSAEINVAL, setsockopt,
};

use crate::address::Address;

use super::super::socket::{
    sock_addr,
    windows::{report_unreachable, unspecified},
};
use super::super::{Handle, Happened};
use super::slots::Kind;
use super::{Winsock, code, done};

impl Winsock {
    pub(super) fn start_connect(&mut self, index: u32, handle: &Handle, address: &Address) {
        let slot = &mut self.slots[index as usize];
        let Ok(name) = sock_addr(address) else { return self.end(index, Happened::Failed(WSAEINVAL)) };
        let socket = &mut self.sockets[slot.socket as usize];
        if address.ip().is_none_or(|ip| ip.is_ipv6() != socket.v6) {
            return self.end(index, Happened::Failed(WSAEAFNOSUPPORT));
        }
        if socket.datagram {
            // Nothing to wait for: it only names a peer.
            let connected = report_unreachable(handle.socket(), true).and_then(|()| handle.socket().connect(&name));
            socket.connected = connected.is_ok();
            return self.end(index, done(connected));
        }
        if let Err(error) = bind(handle, socket.v6) {
            let code = code(&error);
            return self.end(index, Happened::Failed(code));
        }
        slot.kind = Kind::Connect;
        let name = slot.address.insert(Box::new(name));
        // SAFETY: no packet is to come for this slot.
        let block = unsafe { slot.block.prepare(0) };
        // SAFETY: the socket is open and the block and the address live until the packet has come.
        let connected = unsafe {
            (self.extensions.connect)(
                slot.handle,
                name.as_ptr().cast(),
                name.len(),
                std::ptr::null(),
                0,
                block.bytes,
                block.overlapped,
            )
        };
        self.started(index, connected != 0);
    }
}

/// Binds a socket to any address and port of its family, unless it is bound.
fn bind(handle: &Handle, v6: bool) -> io::Result<()> {
    match handle.socket().bind(&unspecified(v6).into()) {
        Err(error) if error.raw_os_error() == Some(WSAEINVAL) => Ok(()),
        done => done,
    }
}

/// The packet of a `ConnectEx` has come. Without this the connection has no peer and cannot be shut down.
pub(super) fn finish(socket: SOCKET) -> io::Result<()> {
    // SAFETY: an open socket; the option has no value.
    let result = unsafe { setsockopt(socket, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, std::ptr::null(), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
