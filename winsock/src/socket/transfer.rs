//! `send`, `recv` and their relatives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::Name;
use super::entry::{Socket, State};
use super::startup::find;
use crate::abi::{self, Dword, Overlapped, SOCKET_ERROR, WsaBuf};
use crate::deliver::Codes;
use crate::error::{WSAEDESTADDRREQ, WSAEFAULT, WSAEINVAL, WSAENOTCONN, WSAEOPNOTSUPP, WSAEWOULDBLOCK, fail};
use crate::io::attempt::{MSG_OOB, MSG_PEEK};
use crate::io::beside::{Beside, WsaMsg};
use crate::io::end::Ended;
use crate::io::memory::Memory;
use crate::io::settle::settle;
use crate::io::start::{self, Told};
use crate::thread::CompletionRoutine;

const FD_READ: u32 = 1;
const FD_WRITE: u32 = 2;
const FD_OOB: u32 = 4;

fn until(milliseconds: u32) -> Option<Instant> {
    (milliseconds > 0).then(|| Instant::now() + Duration::from_millis(milliseconds.into()))
}

/// How a call is told that may have an `OVERLAPPED`.
fn told(limit: u32, overlapped: *mut Overlapped, routine: Option<CompletionRoutine>) -> Told {
    match overlapped.is_null() {
        true => Told::ByReturn(until(limit)),
        false => Told::Later { overlapped, routine, codes: Codes::Wsa },
    }
}

/// A call has used what an event had told of.
fn rearm(socket: &Arc<Socket>, events: u32) {
    let watched = socket.core().watched.clone();
    if let Some(watched) = watched {
        watched.rearm(socket, events);
    }
}

/// What a receive needs beside its bytes.
struct Receive {
    memory: Memory,
    flags: u32,
    beside: Beside,
    overlapped: *mut Overlapped,
    routine: Option<CompletionRoutine>,
}

fn receive(s: abi::Socket, given: Receive) -> Result<Ended, u32> {
    let socket = find(s)?;
    let limit = {
        let mut core = socket.core();
        settle(&mut core);
        let connected = core.state == State::Connected;
        if socket.is_stream() && !connected {
            return Err(WSAENOTCONN);
        }
        if !socket.is_stream() && !core.bound && !connected {
            return Err(WSAEINVAL);
        }
        core.kept.receive_timeout
    };
    if given.flags & MSG_OOB != 0 && !socket.is_stream() {
        return Err(WSAEOPNOTSUPP);
    }
    let told = told(limit, given.overlapped, given.routine);
    let watched = socket.core().watched.is_some();
    let ended = start::receive(&socket, given.memory, given.flags, given.beside, told);
    if watched && given.flags & MSG_PEEK == 0 {
        rearm(&socket, if given.flags & MSG_OOB != 0 { FD_OOB } else { FD_READ });
    }
    ended
}

fn send(
    s: abi::Socket,
    memory: Memory,
    flags: u32,
    to: Option<Name>,
    overlapped: *mut Overlapped,
    routine: Option<CompletionRoutine>,
) -> Result<Ended, u32> {
    let socket = find(s)?;
    let (limit, to) = {
        let mut core = socket.core();
        settle(&mut core);
        let connected = core.state == State::Connected;
        if socket.is_stream() && !connected {
            return Err(WSAENOTCONN);
        }
        if !connected && to.is_none() {
            return Err(WSAENOTCONN);
        }
        // A stream's destination is its peer, whatever the call says.
        (core.kept.send_timeout, to.filter(|_| !socket.is_stream()))
    };
    let watched = socket.core().watched.is_some();
    let ended = start::send(&socket, memory, flags, to, told(limit, overlapped, routine));
    if watched && matches!(ended, Err(WSAEWOULDBLOCK)) {
        rearm(&socket, FD_WRITE);
    }
    ended
}

/// What a plain call returns.
fn count(ended: Result<Ended, u32>) -> i32 {
    match ended {
        Ok(ended) => ended.bytes as i32,
        Err(code) => fail(code, SOCKET_ERROR),
    }
}

/// What a call of the `WSA` kind returns. It writes only what is known when it returns.
unsafe fn report(ended: Result<Ended, u32>, bytes: *mut Dword, flags: *mut Dword) -> i32 {
    match ended {
        Ok(ended) => {
            // SAFETY: each is null or can be written to.
            unsafe {
                if !bytes.is_null() {
                    *bytes = ended.bytes;
                }
                if !flags.is_null() {
                    *flags = ended.flags;
                }
            }
            0
        }
        Err(code) => fail(code, SOCKET_ERROR),
    }
}

unsafe fn memory_of(bufs: *const WsaBuf, count: u32) -> Result<Memory, u32> {
    if bufs.is_null() {
        return Err(WSAEFAULT);
    }
    if count == 0 {
        return Err(WSAEINVAL);
    }
    // SAFETY: the program lends these buffers to the operation.
    unsafe { Memory::of_bufs(bufs, count) }.ok_or(WSAEFAULT)
}

unsafe fn plain(ptr: *const u8, len: i32) -> Result<Memory, u32> {
    match usize::try_from(len) {
        Ok(len) if !ptr.is_null() || len == 0 => {
            // SAFETY: the program lends this memory to the call.
            Ok(unsafe { Memory::of(ptr.cast_mut(), len) })
        }
        _ => Err(WSAEFAULT),
    }
}

unsafe fn name_of(to: *const u8, len: i32) -> Result<Option<Name>, u32> {
    match to.is_null() {
        true => Ok(None),
        // SAFETY: the program says how long its name is.
        false => unsafe { Name::read(to, len) }.map(Some),
    }
}

export! {
    fn wsk_recv(s: abi::Socket, ptr: *mut u8, len: i32, flags: i32) -> i32, SOCKET_ERROR => {
        let nothing = std::ptr::null_mut();
        count(find(s).and_then(|_| plain(ptr, len)).and_then(|memory| receive(s, Receive {
            memory, flags: flags as u32, beside: Beside::NOTHING, overlapped: nothing, routine: None,
        })))
    }

    fn wsk_send(s: abi::Socket, ptr: *const u8, len: i32, flags: i32) -> i32, SOCKET_ERROR => {
        let memory = find(s).and_then(|_| plain(ptr, len));
        count(memory.and_then(|memory| send(s, memory, flags as u32, None, std::ptr::null_mut(), None)))
    }

    fn wsk_recvfrom(
        s: abi::Socket, ptr: *mut u8, len: i32, flags: i32, from: *mut u8, from_len: *mut i32,
    ) -> i32, SOCKET_ERROR => {
        let beside = Beside { from, from_len, message: std::ptr::null_mut() };
        count(find(s).and_then(|_| plain(ptr, len)).and_then(|memory| receive(s, Receive {
            memory, flags: flags as u32, beside, overlapped: std::ptr::null_mut(), routine: None,
        })))
    }

    fn wsk_sendto(
        s: abi::Socket, ptr: *const u8, len: i32, flags: i32, to: *const u8, to_len: i32,
    ) -> i32, SOCKET_ERROR => {
        count(find(s).and_then(|_| {
            let (memory, to) = (plain(ptr, len)?, name_of(to, to_len)?);
            send(s, memory, flags as u32, to, std::ptr::null_mut(), None)
        }))
    }

    fn wsk_WSARecv(
        s: abi::Socket, bufs: *const WsaBuf, count: Dword, bytes: *mut Dword, flags: *mut Dword,
        overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|_| {
            if flags.is_null() || bytes.is_null() && overlapped.is_null() {
                return Err(WSAEFAULT);
            }
            let memory = memory_of(bufs, count)?;
            receive(s, Receive { memory, flags: *flags, beside: Beside::NOTHING, overlapped, routine })
        }), bytes, flags)
    }

    fn wsk_WSASend(
        s: abi::Socket, bufs: *const WsaBuf, count: Dword, bytes: *mut Dword, flags: Dword,
        overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|_| {
            if bytes.is_null() && overlapped.is_null() {
                return Err(WSAEFAULT);
            }
            send(s, memory_of(bufs, count)?, flags, None, overlapped, routine)
        }), bytes, std::ptr::null_mut())
    }

    fn wsk_WSARecvFrom(
        s: abi::Socket, bufs: *const WsaBuf, count: Dword, bytes: *mut Dword, flags: *mut Dword,
        from: *mut u8, from_len: *mut i32, overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|_| {
            if flags.is_null() || bytes.is_null() && overlapped.is_null() || !from.is_null() && from_len.is_null() {
                return Err(WSAEFAULT);
            }
            let memory = memory_of(bufs, count)?;
            let beside = Beside { from, from_len, message: std::ptr::null_mut() };
            receive(s, Receive { memory, flags: *flags, beside, overlapped, routine })
        }), bytes, flags)
    }

    fn wsk_WSASendTo(
        s: abi::Socket, bufs: *const WsaBuf, count: Dword, bytes: *mut Dword, flags: Dword,
        to: *const u8, to_len: i32, overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|_| {
            if bytes.is_null() && overlapped.is_null() {
                return Err(WSAEFAULT);
            }
            send(s, memory_of(bufs, count)?, flags, name_of(to, to_len)?, overlapped, routine)
        }), bytes, std::ptr::null_mut())
    }

    /// As `recv`, with flags in and out.
    fn wsk_WSARecvEx(s: abi::Socket, ptr: *mut u8, len: i32, flags: *mut i32) -> i32, SOCKET_ERROR => {
        let nothing = std::ptr::null_mut();
        let ended = find(s).and_then(|_| if flags.is_null() { Err(WSAEFAULT) } else { plain(ptr, len) });
        let ended = ended.and_then(|memory| receive(s, Receive {
            memory, flags: *flags as u32, beside: Beside::NOTHING, overlapped: nothing, routine: None,
        }));
        match ended {
            Ok(ended) => {
                *flags = ended.flags as i32;
                ended.bytes as i32
            }
            // Here a datagram that is larger is no error.
            Err(crate::error::WSAEMSGSIZE) => {
                *flags = crate::io::attempt::MSG_PARTIAL as i32;
                len
            }
            Err(code) => fail(code, SOCKET_ERROR),
        }
    }

    /// An extension function: programs get it by its GUID.
    fn wsk_WSARecvMsg(
        s: abi::Socket, message: *mut WsaMsg, bytes: *mut Dword,
        overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|socket| {
            if message.is_null() || bytes.is_null() && overlapped.is_null() {
                return Err(WSAEFAULT);
            }
            if socket.is_stream() {
                return Err(WSAEOPNOTSUPP);
            }
            let memory = memory_of((*message).bufs, (*message).count)?;
            let beside = Beside { message, ..Beside::NOTHING };
            receive(s, Receive { memory, flags: (*message).flags, beside, overlapped, routine })
        }), bytes, std::ptr::null_mut())
    }

    fn wsk_WSASendMsg(
        s: abi::Socket, message: *const WsaMsg, flags: Dword, bytes: *mut Dword,
        overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|socket| {
            if message.is_null() || bytes.is_null() && overlapped.is_null() {
                return Err(WSAEFAULT);
            }
            let to = Beside::destination(message)?;
            let connected = socket.core().state == State::Connected;
            if to.is_none() && !connected {
                return Err(if socket.is_stream() { WSAENOTCONN } else { WSAEDESTADDRREQ });
            }
            let memory = memory_of((*message).bufs, (*message).count)?;
            if (*message).control.len == 0 || (*message).control.buf.is_null() {
                return send(s, memory, flags, to, overlapped, routine);
            }
            let told = told(0, overlapped, routine);
            start::send_with_control(&socket, &memory, flags, to.as_ref(), &(*message).control, told)
        }), bytes, std::ptr::null_mut())
    }
}
