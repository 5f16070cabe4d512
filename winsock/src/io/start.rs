//! The start of an operation: it is tried at once if nothing is before it, and otherwise, or if it
//! would have to wait, goes to the driver.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::attempt::{self, MSG_OOB, MSG_PEEK, MSG_WAITALL};
use super::beside::Beside;
use super::end::{Blocked, End, Ended, enter};
use super::hub::{self, Hub, Work};
use super::memory::Memory;
use super::receive::{self, Receive};
use super::send::{Beyond, Send, code_of_send};
use super::settle::settle;
use crate::abi::{Overlapped, WsaBuf};
use crate::deliver::{self, Codes, Ticket};
use crate::error::system::{status_of_wsa, wsa_of};
use crate::error::{
    ERROR_IO_PENDING, WSAECONNRESET, WSAEINVAL, WSAENETDOWN, WSAENOTCONN, WSAENOTSOCK, WSAEOPNOTSUPP, WSAESHUTDOWN,
    WSAEWOULDBLOCK,
};
use crate::socket::address::Name;
use crate::socket::control;
use crate::socket::entry::{Core, Direction, InFlight, Socket, State};
use crate::thread::CompletionRoutine;

/// Events of the network that a call makes come again.
const FD_READ: u32 = 1;
const FD_WRITE: u32 = 2;
const FD_OOB: u32 = 4;

/// How the caller is told of the end.
#[derive(Clone, Copy)]
pub(crate) enum Told {
    /// The call waits, unless the socket does not block, and as long as the socket's time limit
    /// says.
    ByReturn,
    /// An `OVERLAPPED` is.
    Later { overlapped: *mut Overlapped, routine: Option<CompletionRoutine>, codes: Codes },
}

/// An `OVERLAPPED` that is told, until it is known whether the operation starts.
pub(crate) fn ticket(socket: &Socket, told: Told) -> Result<Option<Ticket>, u32> {
    match told {
        Told::ByReturn => Ok(None),
        // SAFETY: the program lends it to the operation.
        Told::Later { overlapped, routine, codes } => unsafe {
            deliver::begin(&socket.completion, overlapped, routine, codes).map(Some)
        },
    }
}

/// Ends a call whose operation has been handed over. `limit` is in milliseconds; 0 is none.
fn conclude(key: hub::Key, blocked: Option<Arc<Blocked>>, limit: u32) -> Result<Ended, u32> {
    match blocked {
        Some(blocked) => {
            let until = (limit > 0).then(|| Instant::now() + Duration::from_millis(limit.into()));
            blocked.wait(key, until)
        }
        None => Err(ERROR_IO_PENDING),
    }
}

fn now_ended(ticket: Option<Ticket>, ended: Ended) -> Result<Ended, u32> {
    if let Some(ticket) = ticket {
        // A call that fails tells nobody else. This one is told of as if it had waited.
        if !ended.status.is_success() {
            ticket.finish(ended.status, ended.bytes, ended.flags);
            return Err(ERROR_IO_PENDING);
        }
        ticket.finish_now(ended.status, ended.bytes, ended.flags);
    }
    match ended.status.wsa() {
        0 => Ok(ended),
        code => Err(code),
    }
}

/// On a socket that was made without `WSA_FLAG_OVERLAPPED`, a call with an `OVERLAPPED` returns
/// when the operation has ended. The `OVERLAPPED` is told too.
pub(crate) fn in_place(socket: &Socket, told: Told, started: Result<Ended, u32>) -> Result<Ended, u32> {
    let (Err(ERROR_IO_PENDING), Told::Later { overlapped, .. }) = (started, told) else { return started };
    if socket.completion.is_overlapped() {
        return started;
    }
    // SAFETY: the program lends it to the operation, and this thread of it waits here.
    let ended = unsafe {
        let status = deliver::outlast(overlapped);
        Ended { status, bytes: (*overlapped).internal_high as u32, flags: (*overlapped).offset }
    };
    match ended.status.wsa() {
        _ if ended.status.is_success() => Ok(ended),
        code => Err(code),
    }
}

/// Fails a start. Nobody is told but the caller.
pub(crate) fn refuse<R>(ticket: Option<Ticket>, code: u32) -> Result<R, u32> {
    if let Some(ticket) = ticket {
        ticket.refuse(status_of_wsa(code));
    }
    Err(code)
}

/// Whether a receive may start on the socket as it is.
fn may_receive(socket: &Socket, core: &Core, flags: u32, told: Told) -> Result<(), u32> {
    let stream = socket.is_stream();
    match core.state {
        State::Connected => {}
        State::Closed => return Err(WSAENOTSOCK),
        _ if stream => return Err(WSAENOTCONN),
        _ if !core.bound => return Err(WSAEINVAL),
        _ => {}
    }
    if flags & MSG_OOB != 0 && !stream {
        return Err(WSAEOPNOTSUPP);
    }
    if core.shut_receive {
        return Err(WSAESHUTDOWN);
    }
    if flags & MSG_WAITALL != 0 && core.nonblocking && matches!(told, Told::ByReturn) {
        return Err(WSAEOPNOTSUPP);
    }
    Ok(())
}

/// Receives.
///
/// # Errors
/// The Winsock code; `ERROR_IO_PENDING` if it has started and its end will be told.
pub(crate) fn receive(
    socket: &Arc<Socket>,
    memory: Memory,
    flags: u32,
    beside: Beside,
    told: Told,
) -> Result<Ended, u32> {
    let mut core = socket.core();
    settle(&mut core);
    may_receive(socket, &core, flags, told)?;
    let watched = core.watched.clone();
    let ended = receive_of(socket, core, memory, flags, beside, told);
    if let Some(watched) = watched.filter(|_| flags & MSG_PEEK == 0) {
        watched.rearm(socket, if flags & MSG_OOB != 0 { FD_OOB } else { FD_READ });
    }
    in_place(socket, told, ended)
}

fn receive_of(
    socket: &Arc<Socket>,
    mut core: MutexGuard<'_, Core>,
    memory: Memory,
    flags: u32,
    beside: Beside,
    told: Told,
) -> Result<Ended, u32> {
    let ticket = ticket(socket, told)?;
    let mut moved = 0;
    // With a port, a receive behind one that took everything there was would be tried in vain.
    let in_vain = core.drained && ticket.as_ref().is_some_and(|ticket| ticket.on_port() && !ticket.skips_packet());
    if core.receives == 0 && !in_vain {
        match receive::now(socket, core.fd, &memory, flags, &beside) {
            Some(Ok(ended)) => {
                let bytes = ended.bytes as usize;
                core.drained = bytes < memory.total();
                let partly = flags & MSG_WAITALL != 0 && bytes < memory.total() && bytes > 0 && socket.is_stream();
                if !partly {
                    let died = bytes == 0 && memory.total() > 0 && core.death != 0 && socket.is_stream();
                    let death = core.death;
                    drop(core);
                    return if died { refuse(ticket, wsa_of(death)) } else { now_ended(ticket, ended) };
                }
                moved = bytes;
            }
            Some(Err(code)) => {
                if code == WSAECONNRESET && socket.is_stream() {
                    core.death = libc::ECONNRESET;
                }
                drop(core);
                return refuse(ticket, code);
            }
            None => {}
        }
    }
    if ticket.is_none() && core.nonblocking {
        return Err(WSAEWOULDBLOCK);
    }
    let Some(hub) = hub::hub() else { return refuse(ticket, WSAENETDOWN) };
    let blocked = ticket.is_none().then(Blocked::new);
    let end = end_of(ticket, &blocked);
    let in_flight = InFlightOf::of(&end, Direction::Receive);
    let work = Receive { socket: Arc::clone(socket), end: Some(end), memory, flags, moved, beside, id: core.id };
    if !in_vain || core.id.is_none() {
        let limit = core.kept.receive_timeout;
        let key = in_flight.push(hub, &mut core, Box::new(work));
        drop(core);
        return conclude(key, blocked, limit);
    }
    let looks = in_flight.push_unhurried(hub, &mut core, Box::new(work));
    if looks && attempt::is_ready(core.fd, libc::POLLIN) {
        hub.wake_leader();
    }
    Err(ERROR_IO_PENDING)
}

/// What is known of an operation's end before it has a name.
pub(crate) struct InFlightOf {
    overlapped: usize,
    thread: u32,
    direction: Direction,
}

impl InFlightOf {
    pub(crate) fn of(end: &End, direction: Direction) -> InFlightOf {
        let (overlapped, thread) = (end.overlapped(), end.thread());
        InFlightOf { overlapped, thread, direction }
    }

    /// Hands work to the driver. The core is locked, so operations start in the order of the calls,
    /// and the work cannot end before it is on the list.
    pub(crate) fn push(self, hub: &Hub, core: &mut Core, work: Box<dyn Work>) -> hub::Key {
        let key = hub.push(work);
        self.enter(core, key);
        key
    }

    /// The same, without waking the thread that leads. Returns whether the caller is to look if
    /// there is a reason to: [`Hub::push_unhurried`].
    pub(crate) fn push_unhurried(self, hub: &Hub, core: &mut Core, work: Box<dyn Work>) -> bool {
        let (key, looks) = hub.push_unhurried(work);
        self.enter(core, key);
        looks
    }

    fn enter(self, core: &mut Core, key: hub::Key) {
        let InFlightOf { overlapped, thread, direction } = self;
        enter(core, InFlight { key, overlapped, thread, direction });
    }
}

pub(crate) fn end_of(ticket: Option<Ticket>, blocked: &Option<Arc<Blocked>>) -> End {
    match (ticket, blocked) {
        (Some(ticket), _) => End::Ticket(ticket),
        (None, Some(blocked)) => End::Call(Arc::clone(blocked)),
        (None, None) => End::Nobody,
    }
}

/// Sends. A stream's send ends when all bytes are on their way, unless the socket does not block.
///
/// # Errors
/// As for [`receive`].
pub(crate) fn send(
    socket: &Arc<Socket>,
    memory: Memory,
    flags: u32,
    to: Option<Name>,
    told: Told,
) -> Result<Ended, u32> {
    send_beyond(socket, memory, flags, to, told, Beyond::default())
}

/// The same, with more than bytes.
///
/// # Errors
/// As for [`receive`].
pub(crate) fn send_beyond(
    socket: &Arc<Socket>,
    memory: Memory,
    flags: u32,
    to: Option<Name>,
    told: Told,
    beyond: Beyond,
) -> Result<Ended, u32> {
    let mut core = socket.core();
    settle(&mut core);
    match core.state {
        State::Connected => {}
        State::Closed => return Err(WSAENOTSOCK),
        _ if socket.is_stream() || to.is_none() => return Err(WSAENOTCONN),
        _ => {}
    }
    if core.shut_send {
        return Err(WSAESHUTDOWN);
    }
    // A stream's destination is its peer, whatever the call says.
    let to = to.filter(|_| !socket.is_stream());
    let watched = core.watched.clone();
    let ended = send_of(socket, core, memory, flags, to, told, beyond);
    if let (Some(watched), Err(WSAEWOULDBLOCK)) = (watched, &ended) {
        watched.rearm(socket, FD_WRITE);
    }
    in_place(socket, told, ended)
}

fn send_of(
    socket: &Arc<Socket>,
    mut core: MutexGuard<'_, Core>,
    memory: Memory,
    flags: u32,
    to: Option<Name>,
    told: Told,
    beyond: Beyond,
) -> Result<Ended, u32> {
    let ticket = ticket(socket, told)?;
    let waits = matches!(told, Told::ByReturn) && !core.nonblocking;
    let mut moved = 0;
    if core.sends == 0 {
        match attempt::send(core.fd, &memory, 0, flags, to.as_ref()) {
            Ok(bytes) => {
                if !socket.is_stream() {
                    core.bound = true;
                }
                let whole = bytes >= memory.total() || !socket.is_stream();
                if whole || ticket.is_none() && !waits {
                    drop(core);
                    if let Some(after) = beyond.after.filter(|_| whole) {
                        after(socket);
                    }
                    return now_ended(ticket, Ended::well(bytes));
                }
                moved = bytes;
            }
            Err(libc::EAGAIN) => {}
            Err(code) => {
                if code == libc::ECONNRESET {
                    core.death = code;
                }
                let code = code_of_send(&core, wsa_of(code));
                drop(core);
                return refuse(ticket, code);
            }
        }
    }
    if ticket.is_none() && !waits {
        return Err(WSAEWOULDBLOCK);
    }
    let Some(hub) = hub::hub() else { return refuse(ticket, WSAENETDOWN) };
    let blocked = ticket.is_none().then(Blocked::new);
    let end = end_of(ticket, &blocked);
    let in_flight = InFlightOf::of(&end, Direction::Send);
    let work = Send { socket: Arc::clone(socket), end: Some(end), memory, flags, moved, to, beyond };
    let limit = core.kept.send_timeout;
    let key = in_flight.push(hub, &mut core, Box::new(work));
    drop(core);
    conclude(key, blocked, limit)
}

/// Sends a datagram with control messages. It leaves at once or not at all: the system's buffer for
/// datagrams is seldom full, and what is beside this one has been read from the caller's memory.
pub(crate) fn send_with_control(
    socket: &Arc<Socket>,
    memory: &Memory,
    flags: u32,
    to: Option<&Name>,
    control: &WsaBuf,
    told: Told,
) -> Result<Ended, u32> {
    // SAFETY: the program's message can be read.
    let (words, len) = unsafe { control::to_system(control) }.ok_or(WSAEINVAL)?;
    let ticket = ticket(socket, told)?;
    let mut core = socket.core();
    if core.state == State::Closed {
        return refuse(ticket, WSAENOTSOCK);
    }
    let sent = attempt::send_message(core.fd, memory, flags, to, &words, len);
    core.bound |= sent.is_ok();
    drop(core);
    match sent {
        Ok(bytes) => now_ended(ticket, Ended::well(bytes)),
        Err(code) => refuse(ticket, wsa_of(code)),
    }
}
