//! Receiving from a stream, and sending.

use windows_sys::Win32::Networking::WinSock::{WSABUF, WSAEMSGSIZE, WSAEWOULDBLOCK, WSARecv, WSASend};

use crate::flags::Flags;

use super::super::op::{Event, Failure, Outcome};
use super::message::{message_flags, most_bytes};
use super::slots::{Kind, Stage};
use super::{Winsock, codes::last_error, dump::DUMP_BYTES};

impl Winsock {
    /// Into the operation's own buffers.
    pub(super) fn receive(&mut self, index: u32, flags: Flags) {
        self.start_receive(index, message_flags(flags), None);
    }

    /// Waits until there is something to receive: a receive of zero bytes, which holds no buffer.
    pub(super) fn await_bytes(&mut self, index: u32) {
        let nothing = WSABUF { len: 0, buf: self.dump.as_ptr() };
        self.start_receive(index, 0, Some(nothing));
    }

    /// All discards share the buffer: nothing reads it.
    pub(super) fn discard(&mut self, index: u32) {
        let anything = WSABUF { len: DUMP_BYTES, buf: self.dump.as_ptr() };
        self.start_receive(index, 0, Some(anything));
    }

    fn start_receive(&mut self, index: u32, flags: u32, instead: Option<WSABUF>) {
        let slot = &mut self.slots[index as usize];
        let socket = &mut self.sockets[slot.socket as usize];
        if socket.shut {
            return self.end(index, Ok(Outcome::Received(0)));
        }
        socket.receive = index;
        let parts = match &instead {
            Some(one) => std::slice::from_ref(one),
            None => &slot.parts,
        };
        // SAFETY: no packet is to come for this slot.
        let block = unsafe { slot.block.prepare(flags) };
        // SAFETY: the socket is open, and the block and the buffers live, until the packet has
        // come. The call captures the array of parts.
        let result = unsafe {
            WSARecv(
                slot.handle,
                parts.as_ptr(),
                parts.len() as u32,
                std::ptr::null_mut(),
                block.flags,
                block.overlapped,
                None,
            )
        };
        self.started(index, result == 0);
    }

    pub(super) fn send(&mut self, index: u32, flags: Flags) {
        let slot = &mut self.slots[index as usize];
        let socket = self.sockets[slot.socket as usize];
        if socket.datagram && slot.parts.iter().map(|part| part.len).sum::<u32>() > most_bytes(socket.v6) {
            return self.end(index, Err(Failure::Code(WSAEMSGSIZE)));
        }
        // SAFETY: no packet is to come for this slot.
        let block = unsafe { slot.block.prepare(0) };
        // SAFETY: as for a receive.
        let result = unsafe {
            WSASend(
                slot.handle,
                slot.parts.as_ptr(),
                slot.parts.len() as u32,
                std::ptr::null_mut(),
                message_flags(flags),
                block.overlapped,
                None,
            )
        };
        self.started(index, result == 0);
    }

    /// Receives what is there into a pooled buffer.
    pub(super) fn fetch_bytes(&mut self, index: u32) -> Option<Event> {
        let slot = &mut self.slots[index as usize];
        debug_assert!(matches!(slot.kind, Kind::Pooled));
        let id = slot.id(index);
        let Some(buffer) = self.pool.take_returned() else {
            slot.stage = Stage::Idle;
            return Some(Event { id, more: false, result: Err(Failure::NoBuffer) });
        };
        let room = self.pool.config().buffer_bytes;
        let part = WSABUF { len: room, buf: self.pool.buffer(buffer).as_ptr() };
        let (mut bytes, mut flags) = (0, 0);
        // SAFETY: an open socket that does not block. The buffer is this backend's, and everything
        // is written within the call.
        let result = unsafe {
            let nothing = std::ptr::null_mut();
            WSARecv(slot.handle, &raw const part, 1, &raw mut bytes, &raw mut flags, nothing, None)
        };
        if result == 0 && bytes > 0 {
            // SAFETY: the buffer is this backend's, and so many bytes of it have been written.
            let packet = unsafe { self.pool.packet(buffer, bytes as usize) };
            slot.fetched = slot.fetched.saturating_add(bytes);
            let limit = if self.turn_bytes == 0 { u32::MAX } else { self.turn_bytes };
            if bytes < room || slot.fetched >= limit {
                // There is no more, or enough for this turn.
                self.await_bytes(index);
            } else {
                self.go_on(index);
            }
            return Some(Event { id, more: true, result: Ok(Outcome::Packet(packet)) });
        }
        self.pool.put_back(buffer);
        let received = match result {
            0 => Ok(Outcome::Received(0)),
            _ => match last_error() {
                WSAEWOULDBLOCK => {
                    self.await_bytes(index);
                    return None;
                }
                // It was shut down for receiving meanwhile.
                _ if self.sockets[slot.socket as usize].shut => Ok(Outcome::Received(0)),
                code => Err(Failure::Code(code)),
            },
        };
        slot.stage = Stage::Idle;
        Some(Event { id, more: false, result: received })
    }
}
