//! Datagrams.
//!
//! A receive waits by peeking at the next datagram, into memory that nothing reads and that is
//! larger than any datagram. Then the datagram is received without waiting. An overlapped receive
//! into the operation's own buffers could find a datagram that is larger than they are. Winsock
//! reports that in two ways at once: by an error of the call, and by a packet.

use socket2::{SockAddr, SockAddrStorage};
use windows_sys::Win32::Networking::WinSock::{
    MSG_PEEK, SOCKET, WSABUF, WSAEINVAL, WSAEMSGSIZE, WSAEWOULDBLOCK, WSARecvFrom, WSASendTo,
};

use crate::address::Address;
use crate::flags::Flags;

use super::super::op::{Event, Failure, Outcome};
use super::super::socket::{address_from, sock_addr};
use super::codes::{code_of, last_error};
use super::message::{message_flags, most_bytes};
use super::{Winsock, dump::DUMP_BYTES, slots::Stage};

impl Winsock {
    pub(super) fn await_datagram(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let anything = WSABUF { len: DUMP_BYTES, buf: self.dump.as_ptr() };
        // SAFETY: no packet is to come for this slot.
        let block = unsafe { slot.block.prepare(MSG_PEEK as u32) };
        // SAFETY: the socket is open, and the block and the dump live, until the packet has come.
        // The call captures the part.
        let result = unsafe {
            WSARecvFrom(
                slot.handle,
                &raw const anything,
                1,
                std::ptr::null_mut(),
                block.flags,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                block.overlapped,
                None,
            )
        };
        self.started(index, result == 0);
    }

    /// Receives the datagram that is there into the operation's own buffers.
    pub(super) fn fetch_datagram(&mut self, index: u32, flags: Flags) -> Option<Event> {
        let slot = &mut self.slots[index as usize];
        let id = slot.id(index);
        let connected = self.sockets[slot.socket as usize].connected;
        let result = match receive_from(slot.handle, &slot.parts, message_flags(flags)) {
            Ok((bytes, from, false)) => Ok(Outcome::ReceivedFrom(bytes as usize, from)),
            Ok((bytes, from, true)) => Err(Failure::Truncated { bytes, from }),
            Err(WSAEWOULDBLOCK) => {
                self.await_datagram(index);
                return None;
            }
            Err(code) => Err(Failure::Code(code_of(code, connected))),
        };
        slot.stage = Stage::Idle;
        Some(Event { id, more: false, result })
    }

    /// Receives the datagram that is there into a pooled buffer.
    pub(super) fn fetch_pooled_datagram(&mut self, index: u32) -> Option<Event> {
        let slot = &mut self.slots[index as usize];
        let id = slot.id(index);
        let Some(buffer) = self.pool.take_returned() else {
            slot.stage = Stage::Idle;
            return Some(Event { id, more: false, result: Err(Failure::NoBuffer) });
        };
        let part = WSABUF { len: self.pool.config().buffer_bytes, buf: self.pool.buffer(buffer).as_ptr() };
        match receive_from(slot.handle, std::slice::from_ref(&part), 0) {
            Ok((bytes, from, truncated)) => {
                // SAFETY: the buffer is this backend's, and so many bytes of it have been written.
                let packet = unsafe { self.pool.packet(buffer, bytes as usize) };
                slot.fetched = slot.fetched.saturating_add(bytes.max(1));
                if self.turn_bytes > 0 && slot.fetched >= self.turn_bytes {
                    self.await_datagram(index);
                } else {
                    self.go_on(index);
                }
                let result = match truncated {
                    true => Err(Failure::Truncated { bytes, from }),
                    false => Ok(Outcome::Datagram(packet, from)),
                };
                Some(Event { id, more: true, result })
            }
            Err(WSAEWOULDBLOCK) => {
                self.pool.put_back(buffer);
                self.await_datagram(index);
                None
            }
            Err(code) => {
                self.pool.put_back(buffer);
                slot.stage = Stage::Idle;
                let code = code_of(code, self.sockets[slot.socket as usize].connected);
                Some(Event { id, more: false, result: Err(Failure::Code(code)) })
            }
        }
    }

    pub(super) fn send_to(&mut self, index: u32, address: &Address) {
        let slot = &mut self.slots[index as usize];
        let Ok(name) = sock_addr(address) else { return self.end(index, Err(Failure::Code(WSAEINVAL))) };
        if slot.parts.iter().map(|part| part.len).sum::<u32>() > most_bytes(name.is_ipv6()) {
            return self.end(index, Err(Failure::Code(WSAEMSGSIZE)));
        }
        let name = slot.address.insert(Box::new(name));
        // SAFETY: no packet is to come for this slot.
        let block = unsafe { slot.block.prepare(0) };
        // SAFETY: the socket is open, and the block, the buffers and the address live, until the
        // packet has come. The call captures the array of parts.
        let result = unsafe {
            WSASendTo(
                slot.handle,
                slot.parts.as_ptr(),
                slot.parts.len() as u32,
                std::ptr::null_mut(),
                0,
                name.as_ptr().cast(),
                name.len(),
                block.overlapped,
                None,
            )
        };
        self.started(index, result == 0);
    }
}

/// Receives a datagram without waiting: how many bytes of it were written, where it came from, and
/// whether there was more of it.
fn receive_from(socket: SOCKET, parts: &[WSABUF], flags: u32) -> Result<(u32, Address, bool), i32> {
    let mut storage = SockAddrStorage::zeroed();
    let mut len = size_of::<SockAddrStorage>() as i32;
    let (mut bytes, mut flags) = (0, flags);
    // SAFETY: an open socket that does not block. Nobody else uses the parts' memory, and
    // everything is written within the call.
    let result = unsafe {
        WSARecvFrom(
            socket,
            parts.as_ptr(),
            parts.len() as u32,
            &raw mut bytes,
            &raw mut flags,
            (&raw mut storage).cast(),
            &raw mut len,
            std::ptr::null_mut(),
            None,
        )
    };
    let truncated = match result {
        0 => false,
        _ => match last_error() {
            // The parts are full.
            WSAEMSGSIZE => true,
            code => return Err(code),
        },
    };
    if truncated {
        bytes = parts.iter().map(|part| part.len).sum();
    }
    // SAFETY: the system has written an address of this length over the storage, which is all
    // zeroes otherwise.
    let from = address_from(&unsafe { SockAddr::new(storage, len) });
    Ok((bytes, from, truncated))
}
