//! `connect`.

use std::sync::Arc;

use super::address::Name;
use super::entry::{Direction, Socket, State};
use super::naming::allow_rebinding;
use super::startup::{answer, find};
use crate::abi::{self, SOCKET_ERROR, WsaBuf};
use crate::error::system::{errno, last_wsa, wsa_of};
use crate::error::{
    WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, WSAEALREADY, WSAEFAULT, WSAEINVAL, WSAEISCONN, WSAENETDOWN, WSAENOTSOCK,
    WSAEWOULDBLOCK,
};
use crate::io::connect::Connect;
use crate::io::end::{Blocked, End};
use crate::io::hub;
use crate::io::settle::settle;
use crate::io::start::InFlightOf;

/// `FD_CONNECT`
const FD_CONNECT: u32 = 0x10;

/// Does something while the descriptor does not block.
fn without_blocking<R>(fd: i32, f: impl FnOnce() -> R) -> R {
    // SAFETY: system calls without memory.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    // SAFETY: as above.
    unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) };
    let result = f();
    // SAFETY: as above.
    unsafe { libc::fcntl(fd, libc::F_SETFL, flags) };
    result
}

fn connect(socket: &Arc<Socket>, name: &Name) -> Result<(), u32> {
    let mut core = socket.core();
    settle(&mut core);
    if core.state == State::Closed {
        return Err(WSAENOTSOCK);
    }
    if !socket.is_stream() {
        drop(core);
        return peer_of_datagrams(socket, name);
    }
    match core.state {
        State::Connecting => return Err(WSAEALREADY),
        State::Connected => return Err(WSAEISCONN),
        State::Listening | State::Promised => return Err(WSAEINVAL),
        _ => {}
    }
    if name.family() != socket.family {
        return Err(if name.family() == libc::AF_UNSPEC { WSAEAFNOSUPPORT } else { WSAEFAULT });
    }
    if socket.family != libc::AF_UNIX && (name.is_any() || name.port() == 0) {
        return Err(WSAEADDRNOTAVAIL);
    }
    if core.bound && socket.family != libc::AF_UNIX {
        allow_rebinding(&core);
    }
    (core.state, core.connect_error) = (State::Connecting, 0);
    if core.nonblocking || socket.family == libc::AF_UNIX {
        // SAFETY: it reads the name, as long as it is.
        let result = without_blocking(core.fd, || match unsafe { libc::connect(core.fd, name.ptr(), name.len()) } {
            0 => 0,
            _ => errno(),
        });
        return match result {
            0 if socket.family == libc::AF_UNIX || !core.nonblocking => {
                Socket::connected(&mut core);
                Ok(())
            }
            // Windows never tells of a connection within such a call.
            0 | libc::EINPROGRESS => {
                let watched = core.watched.clone();
                drop(core);
                if let Some(watched) = watched {
                    watched.rearm(socket, FD_CONNECT);
                }
                Err(WSAEWOULDBLOCK)
            }
            code => {
                core.state = State::Fresh;
                Err(wsa_of(code))
            }
        };
    }
    let Some(hub) = hub::hub() else {
        core.state = State::Fresh;
        return Err(WSAENETDOWN);
    };
    let blocked = Blocked::new();
    let end = End::Call(Arc::clone(&blocked));
    let in_flight = InFlightOf::of(&end, Direction::Send);
    let work =
        Connect { socket: Arc::clone(socket), end: Some(end), to: *name, memory: None, sending: false, is_ex: false };
    let key = in_flight.push(hub, &mut core, Box::new(work));
    drop(core);
    blocked.wait(key, None).map(drop)
}

/// The peer that `send` sends datagrams to; none in particular takes it back.
fn peer_of_datagrams(socket: &Socket, name: &Name) -> Result<(), u32> {
    let mut core = socket.core();
    let none = name.family() == libc::AF_UNSPEC || name.is_any() && name.port() == 0;
    let unspecified = Name::any(libc::AF_UNSPEC);
    let to = if none { &unspecified } else { name };
    if !none && name.family() != socket.family {
        return Err(WSAEAFNOSUPPORT);
    }
    // SAFETY: it reads the name, as long as it is. It does not wait.
    if unsafe { libc::connect(core.fd, to.ptr(), to.len()) } != 0 {
        return Err(last_wsa());
    }
    core.state = if none { State::Fresh } else { State::Connected };
    core.bound = true;
    Ok(())
}

export! {
    fn wsk_connect(s: abi::Socket, name: *const u8, len: i32) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| connect(&socket, &Name::read(name, len)?)))
    }

    fn wsk_WSAConnect(
        s: abi::Socket, name: *const u8, len: i32, _caller: *const WsaBuf, _callee: *mut WsaBuf,
        _quality: *const u8, _group_quality: *const u8,
    ) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| connect(&socket, &Name::read(name, len)?)))
    }
}
