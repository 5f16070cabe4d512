//! The extension functions for connections: `AcceptEx`, `ConnectEx`, `DisconnectEx`.

use std::sync::Arc;

use super::accept::{Accept, Into, Premade, read_name};
use super::connect::Connect;
use super::disconnect::disconnect;
use super::end::{End, Ended};
use super::hub;
use super::memory::Memory;
use super::start::{InFlightOf, Told, in_place, refuse, ticket};
use crate::abi::{self, Bool, Dword, FALSE, Overlapped, TRUE};
use crate::deliver::Codes;
use crate::error::status::STATUS_SUCCESS;
use crate::error::{
    ERROR_INVALID_PARAMETER, ERROR_IO_PENDING, WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, WSAEFAULT, WSAEINVAL, WSAEISCONN,
    WSAENETDOWN, WSAENOTSOCK, fail,
};
use crate::io::settle::settle;
use crate::socket::address::Name;
use crate::socket::entry::{Direction, Socket, State};
use crate::socket::naming::allow_rebinding;
use crate::socket::startup::find;

fn later(overlapped: *mut Overlapped) -> Told {
    Told::Later { overlapped, routine: None, codes: Codes::Wsa }
}

/// What the call returns: on a socket without overlapped operations, the end of the operation.
fn ended(socket: &Socket, overlapped: *mut Overlapped, started: Result<(), u32>) -> Result<Ended, u32> {
    in_place(socket, later(overlapped), started.map(|()| Ended::well(0)))
}

/// What an address needs in the buffer of `AcceptEx`.
const MORE_THAN_A_NAME: u32 = 16;

fn least(family: i32) -> u32 {
    MORE_THAN_A_NAME
        + match family {
            libc::AF_INET => 16,
            libc::AF_INET6 => 28,
            _ => 110,
        }
}

struct AcceptInto {
    buffer: *mut u8,
    receive: u32,
    local: u32,
    remote: u32,
}

unsafe fn accept(
    listener: &Arc<Socket>,
    premade: Arc<Socket>,
    into: &AcceptInto,
    overlapped: *mut Overlapped,
) -> Result<(), u32> {
    if overlapped.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if into.buffer.is_null() {
        return Err(WSAEFAULT);
    }
    if into.local < least(listener.family) || into.remote < least(listener.family) {
        return Err(WSAEINVAL);
    }
    if Arc::ptr_eq(listener, &premade) {
        return Err(WSAEINVAL);
    }
    {
        let mut core = premade.core();
        if core.state != State::Fresh || core.bound || premade.family != listener.family || !premade.is_stream() {
            return Err(WSAEINVAL);
        }
        core.state = State::Promised;
    }
    let give_back = |code: u32| {
        premade.core().state = State::Fresh;
        code
    };
    let mut core = listener.core();
    match core.state {
        State::Listening => {}
        State::Closed => return Err(give_back(WSAENOTSOCK)),
        _ => return Err(give_back(WSAEINVAL)),
    }
    let hub = hub::hub().ok_or(WSAENETDOWN).map_err(give_back)?;
    let ticket = ticket(listener, later(overlapped)).map_err(give_back)?;
    let Some(ticket) = ticket else { return Err(give_back(WSAEINVAL)) };
    let end = End::Ticket(ticket);
    let in_flight = InFlightOf::of(&end, Direction::Receive);
    let premade = Premade {
        socket: premade,
        // SAFETY: the program lends its buffer to the operation.
        memory: unsafe { Memory::of(into.buffer, into.receive as usize) },
        names: into.buffer.wrapping_add(into.receive as usize),
        local_len: into.local,
        remote_len: into.remote,
    };
    let work =
        Accept { listener: Arc::clone(listener), end: Some(end), into: Into::Premade(premade), receiving: false };
    in_flight.push(hub, &mut core, Box::new(work));
    Err(ERROR_IO_PENDING)
}

unsafe fn connect(
    socket: &Arc<Socket>,
    to: Name,
    memory: Option<Memory>,
    overlapped: *mut Overlapped,
) -> Result<(), u32> {
    if overlapped.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut core = socket.core();
    settle(&mut core);
    match core.state {
        State::Closed => return Err(WSAENOTSOCK),
        State::Connected => return Err(WSAEISCONN),
        State::Fresh if core.bound && socket.is_stream() => {}
        _ => return Err(WSAEINVAL),
    }
    if to.family() != socket.family {
        return Err(WSAEAFNOSUPPORT);
    }
    if to.is_any() || to.port() == 0 {
        return Err(WSAEADDRNOTAVAIL);
    }
    let told = later(overlapped);
    let ticket = ticket(socket, told)?;
    let Some(hub) = hub::hub() else { return refuse(ticket, WSAENETDOWN) };
    let Some(ticket) = ticket else { return Err(WSAEINVAL) };
    allow_rebinding(&core);
    core.state = State::Connecting;
    let end = End::Ticket(ticket);
    let in_flight = InFlightOf::of(&end, Direction::Send);
    let work = Connect { socket: Arc::clone(socket), end: Some(end), to, memory, sending: false, is_ex: true };
    in_flight.push(hub, &mut core, Box::new(work));
    drop(core);
    Err(ERROR_IO_PENDING)
}

pub(crate) const TF_REUSE_SOCKET: u32 = 2;

fn disconnect_ex(s: abi::Socket, overlapped: *mut Overlapped, flags: u32, reserved: u32) -> Result<(), u32> {
    let socket = find(s)?;
    if flags & !TF_REUSE_SOCKET != 0 || reserved != 0 {
        return Err(WSAEINVAL);
    }
    let ticket = match overlapped.is_null() {
        true => None,
        false => ticket(&socket, later(overlapped))?,
    };
    match disconnect(&socket, flags & TF_REUSE_SOCKET != 0) {
        Ok(()) => {
            if let Some(ticket) = ticket {
                ticket.finish_now(STATUS_SUCCESS, 0, 0);
            }
            Ok(())
        }
        Err(code) => refuse(ticket, code),
    }
}

pub(crate) fn truth(result: Result<(), u32>) -> Bool {
    match result {
        Ok(()) => TRUE,
        Err(code) => fail(code, FALSE),
    }
}

export! {
    fn wsk_AcceptEx(
        listener: abi::Socket, accepted: abi::Socket, buffer: *mut u8, receive: Dword, local: Dword, remote: Dword,
        bytes: *mut Dword, overlapped: *mut Overlapped,
    ) -> Bool, FALSE => {
        truth(find(listener).and_then(|listener| {
            let into = AcceptInto { buffer, receive, local, remote };
            let started = accept(&listener, find(accepted)?, &into, overlapped);
            let ended = ended(&listener, overlapped, started)?;
            if !bytes.is_null() {
                *bytes = ended.bytes;
            }
            Ok(())
        }))
    }

    /// The addresses stay in the caller's buffer.
    fn wsk_GetAcceptExSockaddrs(
        buffer: *mut u8, receive: Dword, local: Dword, remote: Dword,
        local_name: *mut *mut u8, local_len: *mut i32, remote_name: *mut *mut u8, remote_len: *mut i32,
    ) -> (), () => {
        let at_local = buffer.wrapping_add(receive as usize);
        for (at, room, name, len) in [
            (at_local, local, local_name, local_len),
            (at_local.wrapping_add(local as usize), remote, remote_name, remote_len),
        ] {
            let (ptr, bytes) = read_name(at, room);
            if !name.is_null() {
                *name = ptr;
            }
            if !len.is_null() {
                *len = bytes;
            }
        }
    }

    fn wsk_ConnectEx(
        s: abi::Socket, name: *const u8, len: i32, buffer: *const u8, bytes: Dword, sent: *mut Dword,
        overlapped: *mut Overlapped,
    ) -> Bool, FALSE => {
        truth(find(s).and_then(|socket| {
            let memory = (!buffer.is_null()).then(|| Memory::of(buffer.cast_mut(), bytes as usize));
            let started = connect(&socket, Name::read(name, len)?, memory, overlapped);
            let ended = ended(&socket, overlapped, started)?;
            if !sent.is_null() {
                *sent = ended.bytes;
            }
            Ok(())
        }))
    }

    fn wsk_DisconnectEx(s: abi::Socket, overlapped: *mut Overlapped, flags: Dword, reserved: Dword) -> Bool, FALSE => {
        truth(disconnect_ex(s, overlapped, flags, reserved))
    }
}
