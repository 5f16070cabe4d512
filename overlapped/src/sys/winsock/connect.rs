//! Connecting: a `ConnectEx`, for which the socket has to be bound first.

use std::io;

use windows_sys::Win32::Networking::WinSock::{WSAEAFNOSUPPORT, WSAECONNABORTED, WSAEINVAL};

use crate::address::Address;

use super::super::op::{Failure, Outcome};
use super::super::socket::windows::{report_unreachable, unspecified};
use super::super::{handle::Handle, socket::sock_addr};
use super::codes::{code, done, last_error};
use super::{Winsock, slots::Kind};

impl Winsock {
    pub(super) fn start_connect(&mut self, index: u32, handle: &Handle, address: &Address) {
        let slot = &mut self.slots[index as usize];
        let Ok(name) = sock_addr(address) else { return self.end(index, Err(Failure::Code(WSAEINVAL))) };
        let socket = &mut self.sockets[slot.socket as usize];
        if address.ip().is_none_or(|ip| ip.is_ipv6() != socket.v6) {
            return self.end(index, Err(Failure::Code(WSAEAFNOSUPPORT)));
        }
        if socket.datagram {
            // It only names a peer, so there is nothing to wait for.
            let connected =
                report_unreachable(&handle.system().socket, true).and_then(|()| handle.system().socket.connect(&name));
            socket.connected = connected.is_ok();
            return self.end(index, done(connected, Outcome::Connected));
        }
        if let Err(error) = bind(handle, socket.v6) {
            let code = code(&error);
            return self.end(index, Err(Failure::Code(code)));
        }
        slot.kind = Kind::Connect;
        slot.address = Some(Box::new(name));
        let mut connected = self.ask_to_connect(index);
        if !connected && last_error() == WSAECONNABORTED {
            // Wine's host says so of a socket whose last connect failed, and takes it out of that
            // attempt. This one has not begun.
            connected = self.ask_to_connect(index);
        }
        self.started(index, connected);
    }

    fn ask_to_connect(&self, index: u32) -> bool {
        let slot = &self.slots[index as usize];
        let name = slot.address.as_ref().expect("a connect has an address");
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
        connected != 0
    }
}

/// Binds a socket to any address and port of its family, unless it is bound.
fn bind(handle: &Handle, v6: bool) -> io::Result<()> {
    match handle.system().socket.bind(&unspecified(v6).into()) {
        Err(error) if error.raw_os_error() == Some(WSAEINVAL) => Ok(()),
        done => done,
    }
}
