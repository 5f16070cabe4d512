//! `accept`, and `WSAAccept` with its condition function.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;

use super::address::Name;
use super::create;
use super::entry::{Direction, Socket, State};
use super::startup::find;
use crate::abi::{self, INVALID_SOCKET, UlongPtr, WsaBuf};
use crate::error::system::wsa_of;
use crate::error::{
    WSAECONNREFUSED, WSAEFAULT, WSAEINVAL, WSAENETDOWN, WSAENOTSOCK, WSAEOPNOTSUPP, WSAEWOULDBLOCK, WSATRY_AGAIN, fail,
};
use crate::io::accept::{Accept, Into as Goal, Place};
use crate::io::attempt;
use crate::io::end::{Blocked, End};
use crate::io::hub;
use crate::io::start::InFlightOf;

/// `FD_ACCEPT`
const FD_ACCEPT: u32 = 8;

/// Takes a connection off the listener, with its peer's name.
fn take(listener: &Arc<Socket>) -> Result<(OwnedFd, Name), u32> {
    let mut core = listener.core();
    match core.state {
        State::Closed => return Err(WSAENOTSOCK),
        _ if !listener.is_stream() => return Err(WSAEOPNOTSUPP),
        State::Listening => {}
        _ => return Err(WSAEINVAL),
    }
    if let Some(deferred) = core.deferred.pop_front() {
        return Ok(deferred);
    }
    if core.receives == 0 {
        match attempt::accept(core.fd) {
            // SAFETY: the descriptor is new, and nobody else's.
            Ok((fd, name)) => return Ok((unsafe { OwnedFd::from_raw_fd(fd) }, name)),
            Err(libc::EAGAIN | libc::EINTR | libc::ECONNABORTED) => {}
            Err(code) => return Err(wsa_of(code)),
        }
    }
    if core.nonblocking {
        return Err(WSAEWOULDBLOCK);
    }
    let hub = hub::hub().ok_or(WSAENETDOWN)?;
    let (blocked, place) = (Blocked::new(), Arc::new(Place::default()));
    let end = End::Call(Arc::clone(&blocked));
    let in_flight = InFlightOf::of(&end, Direction::Receive);
    let into = Goal::Place(Arc::clone(&place));
    let work = Accept { listener: Arc::clone(listener), end: Some(end), into, receiving: false };
    let key = in_flight.push(hub, &mut core, Box::new(work));
    drop(core);
    blocked.wait(key, None)?;
    place.take().ok_or(WSAEINVAL)
}

/// A socket for a connection that was taken: as the listener is.
fn make(listener: &Arc<Socket>, fd: OwnedFd) -> Result<abi::Socket, u32> {
    let from = listener.core();
    let socket = Socket::new(fd.into_raw_fd(), listener.family, listener.kind, listener.protocol, from.flags);
    let mut core = socket.core();
    Socket::connected(&mut core);
    (core.bound, core.nonblocking, core.kept) = (true, from.nonblocking, from.kept.clone());
    let watched = from.watched.clone();
    drop((core, from));
    let value = create::insert(socket)?;
    if let (Some(watched), Some(socket)) = (watched, crate::handles::get::<Socket>(value)) {
        watched.inherit(&socket);
    }
    Ok(value)
}

unsafe fn accept(
    s: abi::Socket,
    name: *mut u8,
    len: *mut i32,
    ask: impl FnOnce(&Socket, &OwnedFd, &Name) -> Answer,
) -> Result<abi::Socket, u32> {
    let listener = find(s)?;
    let taken = take(&listener);
    let watched = listener.core().watched.clone();
    if let Some(watched) = watched {
        watched.rearm(&listener, FD_ACCEPT);
    }
    let (fd, peer) = taken?;
    match ask(&listener, &fd, &peer) {
        Answer::Accept => {}
        Answer::Reject => return Err(WSAECONNREFUSED),
        Answer::Defer => {
            listener.core().deferred.push_front((fd, peer));
            return Err(WSATRY_AGAIN);
        }
    }
    let value = make(&listener, fd)?;
    // SAFETY: the program gives as much room as it says.
    if !name.is_null() && unsafe { !peer.write(name, len) } {
        crate::handles::close(value);
        return Err(WSAEFAULT);
    }
    Ok(value)
}

enum Answer {
    Accept,
    Reject,
    Defer,
}

/// `LPCONDITIONPROC`
type Condition = unsafe extern "C-unwind" fn(
    caller: *mut WsaBuf,
    caller_data: *mut WsaBuf,
    quality: *mut u8,
    group_quality: *mut u8,
    callee: *mut WsaBuf,
    callee_data: *mut WsaBuf,
    group: *mut u32,
    data: UlongPtr,
) -> i32;

const CF_ACCEPT: i32 = 0;
const CF_DEFER: i32 = 2;

unsafe fn put_to(condition: Condition, data: UlongPtr, fd: &OwnedFd, peer: &Name) -> Answer {
    use std::os::fd::AsRawFd;
    let mut names = [[0u8; 128]; 2];
    let local = Name::local(fd.as_raw_fd()).unwrap_or_else(|_| Name::any(peer.family()));
    let mut bufs = [(peer, 0), (&local, 1)].map(|(name, at)| {
        let mut len = 128;
        // SAFETY: there is so much room.
        unsafe { name.write(names[at].as_mut_ptr(), &raw mut len) };
        WsaBuf { len: len as u32, buf: names[at].as_mut_ptr() }
    });
    let mut nothing = [WsaBuf { len: 0, buf: std::ptr::null_mut() }; 2];
    let mut group = 0;
    let [caller, callee] = &mut bufs;
    let [caller_data, callee_data] = &mut nothing;
    // SAFETY: the program gave this function for that.
    let answer = unsafe {
        condition(
            caller,
            caller_data,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            callee,
            callee_data,
            &raw mut group,
            data,
        )
    };
    match answer {
        CF_ACCEPT => Answer::Accept,
        CF_DEFER => Answer::Defer,
        _ => Answer::Reject,
    }
}

fn value(result: Result<abi::Socket, u32>) -> abi::Socket {
    result.unwrap_or_else(|code| fail(code, INVALID_SOCKET))
}

export! {
    fn wsk_accept(s: abi::Socket, name: *mut u8, len: *mut i32) -> abi::Socket, INVALID_SOCKET => {
        value(accept(s, name, len, |_, _, _| Answer::Accept))
    }

    fn wsk_WSAAccept(
        s: abi::Socket, name: *mut u8, len: *mut i32, condition: Option<Condition>, data: UlongPtr,
    ) -> abi::Socket, INVALID_SOCKET => {
        value(accept(s, name, len, |_, fd, peer| match condition {
            Some(condition) => put_to(condition, data, fd, peer),
            None => Answer::Accept,
        }))
    }
}
