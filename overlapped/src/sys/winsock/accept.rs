//! Accepting: an `AcceptEx` waits for a connection. When one has come, those behind it are taken
//! without waiting, so that a burst costs one wait.

use std::os::windows::io::{AsRawSocket, FromRawSocket};

use socket2::{Domain, Protocol, SockAddrStorage, Type};
use windows_sys::Win32::Networking::WinSock::{
    INVALID_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, SOCKET, WSAECONNABORTED, WSAEWOULDBLOCK, accept,
};

use crate::address::Address;

use super::super::op::{Event, Failure, Outcome};
use super::super::{handle::Handle, socket::address_from, socket::windows::set_socket_option, stream::Stream};
use super::codes::{code, last_error};
use super::slots::{Accept, Kind, Stage};
use super::{Winsock, dump::DUMP_BYTES};

/// Connections that are taken between two waits.
const MOST_ACCEPTED: u32 = 256;

/// Room for an address as `AcceptEx` writes it: 16 bytes more than it has.
const ADDRESS_ROOM: u32 = size_of::<SockAddrStorage>() as u32 + 16;

const _: () = assert!(2 * ADDRESS_ROOM <= DUMP_BYTES);

impl Winsock {
    pub(super) fn start_accept(&mut self, index: u32, listener: &Handle, multi: bool) {
        let v6 = self.sockets[self.slots[index as usize].socket as usize].v6;
        let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
        let inherits = listener.system().inherits.as_deref().cloned();
        let accept = Accept { multi, domain, inherits, next: None };
        self.slots[index as usize].kind = Kind::Accept(Box::new(accept));
        self.await_connection(index);
    }

    /// Waits for a connection, with the socket that it will become.
    fn await_connection(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let Kind::Accept(accept) = &mut slot.kind else { unreachable!("it is an accept") };
        let next = match accept.next.take() {
            Some(next) => next,
            None => match socket2::Socket::new(accept.domain, Type::STREAM, Some(Protocol::TCP)) {
                Ok(next) => next,
                Err(error) => {
                    let code = code(&error);
                    return self.end(index, Err(Failure::Code(code)));
                }
            },
        };
        let raw = next.as_raw_socket() as SOCKET;
        accept.next = Some(next);
        // SAFETY: no packet is to come for this slot.
        let block = unsafe { slot.block.prepare(0) };
        // SAFETY: both sockets are open until the packet has come, and the block and the dump live
        // as long. There is room for two addresses.
        let accepted = unsafe {
            (self.extensions.accept)(
                slot.handle,
                raw,
                self.dump.as_ptr().cast(),
                0,
                ADDRESS_ROOM,
                ADDRESS_ROOM,
                block.bytes,
                block.overlapped,
            )
        };
        self.started(index, accepted != 0);
    }

    /// A connection has come.
    pub(super) fn accepted(&mut self, index: u32, at_once: bool) -> Event {
        let slot = &mut self.slots[index as usize];
        let id = slot.id(index);
        let Kind::Accept(accept) = &mut slot.kind else { unreachable!("it is an accept") };
        let socket = accept.next.take().expect("it was started with one");
        // Without this the connection has no addresses and cannot be shut down.
        // It fails if the peer has reset the connection, as other calls will.
        let _ = set_socket_option(socket.as_raw_socket() as SOCKET, SO_UPDATE_ACCEPT_CONTEXT, &slot.handle);
        let result = connection(socket, accept);
        let more = accept.multi && !slot.cancelled;
        if more {
            slot.stage = Stage::Draining;
            slot.fetched = 1;
            self.has_more(index, at_once);
        }
        Event { id, more, result }
    }

    /// Takes another connection that is there already.
    pub(super) fn accept_more(&mut self, index: u32) -> Option<Event> {
        let slot = &mut self.slots[index as usize];
        let id = slot.id(index);
        let Kind::Accept(accepting) = &mut slot.kind else { unreachable!("it is an accept") };
        if slot.fetched >= MOST_ACCEPTED {
            slot.fetched = 0;
            self.await_connection(index);
            return None;
        }
        // SAFETY: an open listener, which does not block; its peer's address is asked for later.
        let socket = unsafe { accept(slot.handle, std::ptr::null_mut(), std::ptr::null_mut()) };
        if socket == INVALID_SOCKET {
            let code = last_error();
            if code == WSAEWOULDBLOCK {
                slot.fetched = 0;
                self.await_connection(index);
                return None;
            }
            slot.stage = Stage::Idle;
            return Some(Event { id, more: false, result: Err(Failure::Code(code)) });
        }
        slot.fetched += 1;
        // SAFETY: the system has just made it for us.
        let socket = unsafe { socket2::Socket::from_raw_socket(socket as u64) };
        let result = connection(socket, accepting);
        self.go_on(index);
        Some(Event { id, more: true, result })
    }
}

/// A connection as it is handed over. The peer may have reset it by now. It is delivered all the
/// same, since the peer may have sent something before.
fn connection(socket: socket2::Socket, accept: &Accept) -> Result<Outcome, Failure> {
    let handle = Handle::accepted(socket, accept.inherits.as_ref()).map_err(|_| Failure::Code(WSAECONNABORTED))?;
    let peer = handle.system().socket.peer_addr().map_or(Address::Unnamed, |peer| address_from(&peer));
    Ok(Outcome::Accepted(Stream(handle), peer))
}
