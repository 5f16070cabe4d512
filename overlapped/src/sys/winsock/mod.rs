//! The backend on Windows' overlapped sockets and a completion port.
//!
//! A request is started with an `OVERLAPPED` in a block of its operation's slot. The packet that
//! ends it leads back there by that pointer. What Winsock refuses at once sends no packet; it
//! becomes an event like any other.
//!
//! Receives into pooled buffers, and of datagrams, wait without a buffer: a receive of zero bytes,
//! or a peek into memory that nothing reads. When there is something it is fetched without waiting,
//! one piece for each event that is asked for. So a thousand idle sessions hold no buffer, and a
//! thousand readable ones one at a time.

mod accept;
mod block;
mod codes;
mod connect;
mod datagram;
mod dump;
mod extension;
mod file;
mod message;
mod port;
mod slots;
mod sockets;
mod stream;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use windows_sys::Win32::Networking::WinSock::{
    WSA_IO_PENDING, WSA_OPERATION_ABORTED, WSAEINVAL, WSAGetOverlappedResult,
};
use windows_sys::Win32::System::IO::OVERLAPPED_ENTRY;

use crate::buf::Pool;
use crate::error::{Action, Error, ErrorKind};
use crate::flags::ShutdownHow;
use crate::id::OpId;
use crate::options::BackendOptions;
use crate::report::{Backend, Feature, Report};
use crate::time::Time;
use crate::wake::WakeHandle;

use super::op::{Event, Failure, OpKind, Outcome, Owned};
use super::socket::windows::report_unreachable;
use super::{clock, handle::Handle};
use block::Block;
use codes::{code_of, done, last_error};
use dump::Dump;
use extension::{Extensions, finish_connect};
use message::gather;
use port::{Packets, Port};
use slots::{Kind, Slot, Stage};
use sockets::Socket;

pub(crate) struct Winsock {
    port: Port,
    packets: Packets,
    extensions: Extensions,
    slots: Vec<Slot>,
    sockets: Vec<Socket>,
    /// Requests for which a packet is to come.
    pending: usize,
    /// Events of what ended without a packet.
    ended: VecDeque<Event>,
    /// Slots with something to fetch.
    draining: VecDeque<u32>,
    /// The same, but not before the next turn.
    next_turn: Vec<u32>,
    pub(super) wake: WakeHandle,
    pool: Rc<Pool>,
    dump: Dump,
    turn_bytes: u32,
    pub(super) report: Report,
}

impl Winsock {
    pub(crate) fn new(options: &BackendOptions, pool: Rc<Pool>, why: &str) -> Result<Winsock, Error> {
        let failed = |error: io::Error| Error::io(Action::Setup, &error);
        // This comes first, because it starts Winsock.
        let extensions = Extensions::load().map_err(failed)?;
        let port = Port::new().map_err(failed)?;
        let rings = port.clone();
        Ok(Winsock {
            port,
            packets: Packets::new(),
            extensions,
            slots: Vec::new(),
            sockets: Vec::new(),
            pending: 0,
            ended: VecDeque::new(),
            draining: VecDeque::new(),
            next_turn: Vec::new(),
            wake: WakeHandle::new(move || rings.ring()),
            pool,
            dump: Dump::new(),
            turn_bytes: options.turn_bytes,
            report: Report { backend: Backend::Winsock, why: why.to_owned(), features: features() },
        })
    }

    pub(crate) fn attach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        let failed = |error: io::Error| Error::io(Action::Socket, &error);
        let index = socket as usize;
        if self.sockets.len() <= index {
            self.sockets.resize(index + 1, Socket::NONE);
        }
        self.port.associate(handle.system().raw_socket()).map_err(|error| match failed(error) {
            error if error.kind() == ErrorKind::InvalidArgument => {
                error.because("a socket stays with the first completion port that it was given to")
            }
            error => error,
        })?;
        let system = handle.system();
        let mut socket = Socket::of(system.raw_socket()).map_err(failed)?;
        if socket.datagram {
            // It may be one of the standard library, which did not set this.
            socket.connected = system.socket.peer_addr().is_ok();
            report_unreachable(&system.socket, socket.connected).map_err(failed)?;
        }
        self.sockets[index] = socket;
        Ok(())
    }

    pub(crate) fn detach(&mut self, _: u32, _: &Handle) -> Result<(), Error> {
        Err(Error::new(Action::Socket, ErrorKind::Unsupported)
            .because("on Windows a socket stays with the completion port that it was given to"))
    }

    pub(crate) fn start(&mut self, id: OpId, kind: OpKind, socket: u32, handle: &Handle, owned: Option<&mut Owned>) {
        self.prepare(id, socket, handle);
        let slot = &mut self.slots[id.slot() as usize];
        let owned = || owned.expect("it owns a buffer or an address");
        match kind {
            OpKind::Accept { multi } => self.start_accept(id.slot(), handle, multi),
            OpKind::Connect => match owned().address() {
                Some(address) => self.start_connect(id.slot(), handle, address),
                None => self.end(id.slot(), Err(Failure::Code(WSAEINVAL))),
            },
            OpKind::Recv { flags } => {
                gather(&mut slot.parts, owned());
                self.receive(id.slot(), flags);
            }
            OpKind::RecvMulti => {
                slot.kind = Kind::Pooled;
                self.await_bytes(id.slot());
            }
            OpKind::Send { flags } => {
                gather(&mut slot.parts, owned());
                slot.kind = Kind::Sends;
                self.send(id.slot(), flags);
            }
            OpKind::RecvFrom { flags } => {
                gather(&mut slot.parts, owned());
                slot.kind = Kind::From { flags };
                self.await_datagram(id.slot());
            }
            OpKind::RecvFromMulti => {
                slot.kind = Kind::PooledFrom;
                self.await_datagram(id.slot());
            }
            OpKind::SendFile => self.send_file(id.slot(), owned()),
            OpKind::SendTo => {
                let owned = owned();
                gather(&mut slot.parts, owned);
                slot.kind = Kind::Sends;
                match owned.address() {
                    Some(address) => self.send_to(id.slot(), address),
                    None => self.end(id.slot(), Err(Failure::Code(WSAEINVAL))),
                }
            }
            OpKind::Shutdown { how } => {
                let receives_end = matches!(how, ShutdownHow::Receive | ShutdownHow::Both);
                let how = match how {
                    ShutdownHow::Receive => std::net::Shutdown::Read,
                    ShutdownHow::Send => std::net::Shutdown::Write,
                    ShutdownHow::Both => std::net::Shutdown::Both,
                };
                let result = handle.system().socket.shutdown(how);
                if receives_end && result.is_ok() {
                    self.end_receives(socket);
                }
                self.end(id.slot(), done(result, Outcome::ShutDown));
            }
            OpKind::Discard => self.discard(id.slot()),
            OpKind::Close { .. } | OpKind::Timer | OpKind::LookUp => {
                unreachable!("closes come by `close`, the others are the driver's")
            }
            OpKind::Ready { .. } => unreachable!("nothing is watched here"),
        }
    }

    pub(crate) fn close(&mut self, id: OpId, socket: u32, handle: Handle) {
        self.prepare(id, socket, &handle);
        // Nothing is in flight on it, and dropping it does not wait for a linger.
        drop(handle);
        self.end(id.slot(), Ok(Outcome::Closed));
    }

    /// Makes an operation's slot ready for its request.
    fn prepare(&mut self, id: OpId, socket: u32, handle: &Handle) {
        while self.slots.len() <= id.slot() as usize {
            self.slots.push(Slot::new(self.slots.len() as u32));
        }
        let slot = &mut self.slots[id.slot() as usize];
        debug_assert!(slot.stage == Stage::Idle, "a slot has one request at a time");
        slot.generation = id.generation();
        slot.cancelled = false;
        slot.fetched = 0;
        slot.socket = socket;
        slot.parts.clear();
        slot.address = None;
        slot.kind = Kind::Receives;
        slot.handle = handle.system().raw_socket();
        let entry = &mut self.sockets[socket as usize];
        if entry.receive == id.slot() {
            entry.receive = sockets::NONE;
        }
    }

    /// A call that starts an overlapped request has returned.
    fn started(&mut self, index: u32, succeeded: bool) {
        let slot = &mut self.slots[index as usize];
        if succeeded && self.sockets[slot.socket as usize].skips {
            let event = self.succeeded(index, true);
            self.ended.extend(event);
            return;
        }
        match if succeeded { WSA_IO_PENDING } else { last_error() } {
            // A packet comes in either case, also for a request that succeeded at once.
            WSA_IO_PENDING => {
                slot.stage = Stage::Pending;
                self.pending += 1;
            }
            code => {
                let failure = slot.kind.failure(code);
                self.end(index, Err(failure));
            }
        }
    }

    /// Ends the receives of a stream that has been shut down for receiving as at the end of the
    /// stream, also the one that waits. Winsock has no such rule.
    fn end_receives(&mut self, socket: u32) {
        let entry = &mut self.sockets[socket as usize];
        entry.shut = !entry.datagram;
        if let Some(slot) = self.slots.get(entry.receive as usize)
            && slot.socket == socket
            && slot.stage == Stage::Pending
        {
            slot.ask_to_end();
        }
    }

    /// A request's last event, in its turn.
    fn end(&mut self, slot: u32, result: Result<Outcome, Failure>) {
        let id = self.slots[slot as usize].id(slot);
        self.slots[slot as usize].stage = Stage::Idle;
        self.ended.push_back(Event { id, more: false, result });
    }

    pub(crate) fn cancel(&mut self, id: OpId) {
        let Some(slot) = self.slots.get_mut(id.slot() as usize).filter(|slot| slot.generation == id.generation())
        else {
            return;
        };
        slot.cancelled = true;
        if slot.stage == Stage::Pending {
            slot.ask_to_end();
        }
    }

    pub(crate) fn turn(&mut self, until: Option<Time>) -> Result<(), Error> {
        self.draining.extend(self.next_turn.drain(..));
        if !self.packets.is_empty() {
            return Ok(());
        }
        let limit = match until {
            None => None,
            Some(Time::ZERO) => Some(Duration::ZERO),
            Some(until) => Some(until - clock::now()),
        };
        let idle = self.ended.is_empty() && self.draining.is_empty();
        let waits = idle && limit != Some(Duration::ZERO) && self.wake.may_wait();
        let limit = if waits { limit } else { Some(Duration::ZERO) };
        let taken = self.port.take(&mut self.packets, limit);
        self.wake.runs();
        taken.map_err(|error| Error::io(Action::Turn, &error))
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ended.pop_front() {
                return Some(event);
            }
            if let Some(packet) = self.packets.pop() {
                if let Some(event) = self.translate(&packet) {
                    return Some(event);
                }
                continue;
            }
            let slot = self.draining.pop_front()?;
            if let Some(event) = self.fetch(slot) {
                return Some(event);
            }
        }
    }

    fn translate(&mut self, packet: &OVERLAPPED_ENTRY) -> Option<Event> {
        // SAFETY: every request on a socket of this port is started with a block of `slots`, which
        // lives as long as packets may come.
        let index = unsafe { Block::slot_of(packet.lpOverlapped) };
        let slot = &mut self.slots[index as usize];
        if slot.stage != Stage::Pending || slot.block.is_pending() {
            // It belongs to a request that was refused at once and has had its event. Winsock
            // should not send such packets. The slot's present request, if there is one, goes on.
            return None;
        }
        self.pending -= 1;
        match result(slot, packet.dwNumberOfBytesTransferred) {
            Ok(_) => self.succeeded(index, false),
            Err(code) => Some(self.failed(index, code)),
        }
    }

    /// A request has succeeded, with a packet or within the call that started it.
    fn succeeded(&mut self, index: u32, at_once: bool) -> Option<Event> {
        let slot = &mut self.slots[index as usize];
        slot.stage = Stage::Idle;
        let id = slot.id(index);
        let last = |result| Some(Event { id, more: false, result });
        match slot.kind {
            Kind::Receives | Kind::Sends | Kind::SendsFile => last(Ok(slot.kind.moved(slot.block.bytes()))),
            Kind::Connect => last(done(finish_connect(slot.handle), Outcome::Connected)),
            Kind::Accept(_) => Some(self.accepted(index, at_once)),
            Kind::Pooled | Kind::From { .. } | Kind::PooledFrom => {
                slot.stage = Stage::Draining;
                slot.fetched = 0;
                self.has_more(index, at_once);
                None
            }
        }
    }

    /// The packet of a request says that it failed.
    fn failed(&mut self, index: u32, code: i32) -> Event {
        let slot = &mut self.slots[index as usize];
        let socket = self.sockets[slot.socket as usize];
        slot.stage = Stage::Idle;
        let kind = std::mem::replace(&mut slot.kind, Kind::Receives);
        let result = match code {
            WSA_OPERATION_ABORTED if socket.shut && socket.receive == index && !slot.cancelled => {
                Ok(Outcome::Received(0))
            }
            code => Err(kind.failure(code_of(code, socket.connected))),
        };
        Event { id: slot.id(index), more: false, result }
    }

    /// What a request waited for is there. If it was there at once, it may be so again and again,
    /// so others come first.
    fn has_more(&mut self, index: u32, at_once: bool) {
        if at_once { self.next_turn.push(index) } else { self.draining.push_back(index) }
    }

    /// There is more to fetch. It goes behind the others: nobody waits for a peer that floods.
    fn go_on(&mut self, index: u32) {
        debug_assert!(self.slots[index as usize].stage == Stage::Draining);
        self.draining.push_back(index);
    }

    /// Fetches one piece for a request that is draining. Afterwards it is still draining, waits
    /// again, or has had its last event.
    fn fetch(&mut self, index: u32) -> Option<Event> {
        let slot = &mut self.slots[index as usize];
        let id = slot.id(index);
        if slot.cancelled {
            slot.stage = Stage::Idle;
            slot.kind = Kind::Receives;
            return Some(Event { id, more: false, result: Err(Failure::Code(WSA_OPERATION_ABORTED)) });
        }
        match slot.kind {
            Kind::Accept(_) => self.accept_more(index),
            Kind::Pooled => self.fetch_bytes(index),
            Kind::From { flags } => self.fetch_datagram(index, flags),
            Kind::PooledFrom => self.fetch_pooled_datagram(index),
            Kind::Receives | Kind::Sends | Kind::SendsFile | Kind::Connect => {
                unreachable!("they have nothing to fetch")
            }
        }
    }

    pub(crate) fn leak(&mut self) {
        for slot in std::mem::take(&mut self.slots) {
            slot.block.leak();
            std::mem::forget((slot.parts, slot.address, slot.kind));
        }
        std::mem::forget(std::mem::replace(&mut self.dump, Dump::new()));
        self.pending = 0;
    }
}

impl Drop for Winsock {
    /// Every request has ended, or the driver has leaked everything.
    fn drop(&mut self) {
        if self.pending > 0 {
            self.leak();
        }
    }
}

/// How a request ended, after its packet has come: its bytes, or Winsock's code.
fn result(slot: &Slot, moved: u32) -> Result<u32, i32> {
    if slot.block.has_succeeded() {
        return Ok(moved);
    }
    let (mut bytes, mut flags) = (0, 0);
    // SAFETY: the system is done with the block. The socket is open, and the rest is written within
    // the call.
    match unsafe { WSAGetOverlappedResult(slot.handle, slot.block.overlapped(), &raw mut bytes, 0, &raw mut flags) } {
        // A cancelled send has sent these bytes.
        0 if moved > 0 && matches!(slot.kind, Kind::Receives | Kind::Sends | Kind::SendsFile) => Ok(moved),
        0 => Err(last_error()),
        _ => Ok(bytes),
    }
}

fn features() -> Vec<Feature> {
    let feature = |name, used, why: &str| Feature { name, used, why: why.to_owned() };
    vec![
        feature("AcceptEx", true, "connections are accepted by overlapped requests"),
        feature("ConnectEx", true, "connections are made by overlapped requests"),
        feature("TransmitFile", true, "files are sent by overlapped requests"),
        feature("GetQueuedCompletionStatusEx", true, "packets are taken in batches, one call a turn"),
        feature("zero-byte WSARecv", true, "an idle session waits without a buffer"),
        feature("SO_EXCLUSIVEADDRUSE", true, "nobody else can bind the address of a listener"),
        feature(
            "FILE_SKIP_COMPLETION_PORT_ON_SUCCESS",
            true,
            "what succeeds at once on a stream needs no packet; not where a layered provider would not keep to the rule",
        ),
    ]
}
