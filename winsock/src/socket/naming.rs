//! Binding, listening, the two names of a socket, and shutting down.

use std::sync::Arc;

use overlapped::Driver;
use overlapped::driver::{Op, ShutdownHow};

use super::address::Name;
use super::entry::{Core, Socket, State};
use super::startup::{answer, find};
use crate::abi::{self, SOCKET_ERROR, WsaBuf};
use crate::error::system::{errno, last_wsa, wsa_of};
use crate::error::{
    WSAEACCES, WSAEADDRINUSE, WSAEAFNOSUPPORT, WSAEFAULT, WSAEINVAL, WSAEISCONN, WSAENETDOWN, WSAENOTCONN, WSAENOTSOCK,
    WSAEOPNOTSUPP,
};
use crate::io::hub::{self, Key, Last, Work};
use crate::io::receive::adopted;
use crate::io::settle::settle;

/// `FD_ACCEPT`
const FD_ACCEPT: u32 = 8;

fn set_flag(fd: i32, name: i32, on: bool) {
    let value = i32::from(on);
    // SAFETY: it reads one `int`.
    unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const value).cast(), 4) };
}

/// Lets a port be bound again while connections of it are in TIME_WAIT, as Windows always does. The
/// system looks at this of both sockets: so what listens or is connected has it, and what is only
/// bound has not, or a second socket could take its port.
pub(crate) fn allow_rebinding(core: &Core) {
    set_flag(core.fd, libc::SO_REUSEADDR, !core.kept.exclusive);
}

fn bind(socket: &Socket, name: &Name) -> Result<(), u32> {
    let mut core = socket.core();
    if core.bound || core.state == State::Closed {
        return Err(if core.bound { WSAEINVAL } else { WSAENOTSOCK });
    }
    if name.family() != socket.family {
        return Err(WSAEAFNOSUPPORT);
    }
    // SAFETY: it reads the name, as long as it is.
    let try_bind = || match unsafe { libc::bind(core.fd, name.ptr(), name.len()) } {
        0 => Ok(()),
        _ => Err(errno()),
    };
    let mut bound = try_bind();
    if bound == Err(libc::EADDRINUSE) && socket.is_stream() && socket.family != libc::AF_UNIX && !core.kept.exclusive {
        // Perhaps of connections that are over. A socket that listens refuses this too.
        set_flag(core.fd, libc::SO_REUSEADDR, true);
        bound = try_bind();
        set_flag(core.fd, libc::SO_REUSEADDR, false);
    }
    bound.map_err(|code| match code {
        libc::EINVAL => WSAEADDRINUSE,
        // The other socket does not share its port.
        libc::EADDRINUSE if core.kept.reuse => WSAEACCES,
        code => wsa_of(code),
    })?;
    core.bound = true;
    Ok(())
}

fn listen(socket: &Arc<Socket>, backlog: i32) -> Result<(), u32> {
    let mut core = socket.core();
    match core.state {
        _ if !socket.is_stream() => return Err(WSAEOPNOTSUPP),
        State::Connected => return Err(WSAEISCONN),
        State::Closed => return Err(WSAENOTSOCK),
        _ if !core.bound => return Err(WSAEINVAL),
        _ => {}
    }
    let backlog = match backlog {
        // `SOMAXCONN_HINT(n)` is -n.
        hint if hint < 0 => hint.saturating_neg(),
        0 => 1,
        given => given,
    };
    if socket.family != libc::AF_UNIX {
        allow_rebinding(&core);
    }
    // SAFETY: a system call without memory.
    if unsafe { libc::listen(core.fd, backlog) } != 0 {
        return Err(last_wsa());
    }
    core.state = State::Listening;
    let watched = core.watched.clone();
    drop(core);
    if let Some(watched) = watched {
        watched.rearm(socket, FD_ACCEPT);
    }
    Ok(())
}

fn local_name(socket: &Socket) -> Result<Name, u32> {
    let core = socket.core();
    if core.fd < 0 {
        return Err(WSAENOTSOCK);
    }
    let name = Name::local(core.fd).map_err(wsa_of)?;
    let named = core.bound || matches!(core.state, State::Connected | State::Connecting) || name.port() != 0;
    if named { Ok(name) } else { Err(WSAEINVAL) }
}

fn peer_name(socket: &Socket) -> Result<Name, u32> {
    let mut core = socket.core();
    settle(&mut core);
    if core.fd < 0 {
        return Err(WSAENOTSOCK);
    }
    if socket.is_stream() && core.state != State::Connected || core.context_due {
        return Err(WSAENOTCONN);
    }
    Name::peer(core.fd).map_err(wsa_of)
}

unsafe fn write_name(name: Result<Name, u32>, ptr: *mut u8, len: *mut i32) -> Result<(), u32> {
    let name = name?;
    // SAFETY: the program gives as much room as it says.
    if unsafe { name.write(ptr, len) } { Ok(()) } else { Err(WSAEFAULT) }
}

/// Shuts sending down behind the sends that were started.
struct Shutdown(Arc<Socket>);

impl Work for Shutdown {
    fn step(&mut self, last: Last, _: Key, driver: &mut Driver) -> Option<Op> {
        match last {
            Last::Nothing => Some(Op::shutdown(adopted(&self.0, driver).ok()?, ShutdownHow::Send)),
            _ => None,
        }
    }
}

const SD_RECEIVE: i32 = 0;
const SD_SEND: i32 = 1;
const SD_BOTH: i32 = 2;

fn shutdown(socket: &Arc<Socket>, how: i32) -> Result<(), u32> {
    let mut core = socket.core();
    settle(&mut core);
    match core.state {
        _ if !(SD_RECEIVE..=SD_BOTH).contains(&how) => return Err(WSAEINVAL),
        State::Closed => return Err(WSAENOTSOCK),
        State::Connected if core.context_due => return Err(WSAENOTCONN),
        State::Connected => {}
        _ if socket.is_stream() => return Err(WSAENOTCONN),
        _ => {}
    }
    let sends = how != SD_RECEIVE && !core.shut_send;
    core.shut_receive |= how != SD_SEND;
    core.shut_send |= how != SD_RECEIVE;
    if !sends || !socket.is_stream() {
        return Ok(());
    }
    if core.sends > 0 {
        let hub = hub::hub().ok_or(WSAENETDOWN)?;
        hub.push(Box::new(Shutdown(Arc::clone(socket))));
        drop(core);
        hub.hasten();
        return Ok(());
    }
    // SAFETY: a system call without memory.
    match unsafe { libc::shutdown(core.fd, libc::SHUT_WR) } {
        0 => Ok(()),
        _ if errno() == libc::ENOTCONN && core.death != 0 => Ok(()),
        _ => Err(last_wsa()),
    }
}

export! {
    fn wsk_bind(s: abi::Socket, name: *const u8, len: i32) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| bind(&socket, &Name::read(name, len)?)))
    }

    fn wsk_listen(s: abi::Socket, backlog: i32) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| listen(&socket, backlog)))
    }

    fn wsk_getsockname(s: abi::Socket, name: *mut u8, len: *mut i32) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| write_name(local_name(&socket), name, len)))
    }

    fn wsk_getpeername(s: abi::Socket, name: *mut u8, len: *mut i32) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| write_name(peer_name(&socket), name, len)))
    }

    fn wsk_shutdown(s: abi::Socket, how: i32) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| shutdown(&socket, how)))
    }

    fn wsk_WSASendDisconnect(s: abi::Socket, _data: *const WsaBuf) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| shutdown(&socket, SD_SEND)))
    }

    fn wsk_WSARecvDisconnect(s: abi::Socket, _data: *mut WsaBuf) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| shutdown(&socket, SD_RECEIVE)))
    }
}
