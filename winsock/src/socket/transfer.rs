//! `send`, `recv` and their relatives.

use super::address::Name;
use super::entry::State;
use super::startup::find;
use crate::abi::{self, Dword, Overlapped, SOCKET_ERROR, WsaBuf};
use crate::deliver::Codes;
use crate::error::{WSAEDESTADDRREQ, WSAEFAULT, WSAEINVAL, WSAENOTCONN, WSAEOPNOTSUPP, fail};
use crate::io::beside::{Beside, WsaMsg};
use crate::io::end::Ended;
use crate::io::memory::Memory;
use crate::io::start::{self, Told};
use crate::thread::CompletionRoutine;

/// How a call is told that may have an `OVERLAPPED`.
fn told(overlapped: *mut Overlapped, routine: Option<CompletionRoutine>) -> Told {
    match overlapped.is_null() {
        true => Told::ByReturn,
        false => Told::Later { overlapped, routine, codes: Codes::Wsa },
    }
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
        count(find(s).and_then(|socket| {
            start::receive(&socket, plain(ptr, len)?, flags as u32, Beside::NOTHING, Told::ByReturn)
        }))
    }

    fn wsk_send(s: abi::Socket, ptr: *const u8, len: i32, flags: i32) -> i32, SOCKET_ERROR => {
        count(find(s).and_then(|socket| start::send(&socket, plain(ptr, len)?, flags as u32, None, Told::ByReturn)))
    }

    fn wsk_recvfrom(
        s: abi::Socket, ptr: *mut u8, len: i32, flags: i32, from: *mut u8, from_len: *mut i32,
    ) -> i32, SOCKET_ERROR => {
        let beside = Beside { from, from_len, message: std::ptr::null_mut() };
        count(find(s).and_then(|socket| {
            start::receive(&socket, plain(ptr, len)?, flags as u32, beside, Told::ByReturn)
        }))
    }

    fn wsk_sendto(
        s: abi::Socket, ptr: *const u8, len: i32, flags: i32, to: *const u8, to_len: i32,
    ) -> i32, SOCKET_ERROR => {
        count(find(s).and_then(|socket| {
            let (memory, to) = (plain(ptr, len)?, name_of(to, to_len)?);
            start::send(&socket, memory, flags as u32, to, Told::ByReturn)
        }))
    }

    fn wsk_WSARecv(
        s: abi::Socket, bufs: *const WsaBuf, count: Dword, bytes: *mut Dword, flags: *mut Dword,
        overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|socket| {
            if flags.is_null() || bytes.is_null() && overlapped.is_null() {
                return Err(WSAEFAULT);
            }
            let memory = memory_of(bufs, count)?;
            start::receive(&socket, memory, *flags, Beside::NOTHING, told(overlapped, routine))
        }), bytes, flags)
    }

    fn wsk_WSASend(
        s: abi::Socket, bufs: *const WsaBuf, count: Dword, bytes: *mut Dword, flags: Dword,
        overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|socket| {
            if bytes.is_null() && overlapped.is_null() {
                return Err(WSAEFAULT);
            }
            start::send(&socket, memory_of(bufs, count)?, flags, None, told(overlapped, routine))
        }), bytes, std::ptr::null_mut())
    }

    fn wsk_WSARecvFrom(
        s: abi::Socket, bufs: *const WsaBuf, count: Dword, bytes: *mut Dword, flags: *mut Dword,
        from: *mut u8, from_len: *mut i32, overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|socket| {
            if flags.is_null() || bytes.is_null() && overlapped.is_null() || !from.is_null() && from_len.is_null() {
                return Err(WSAEFAULT);
            }
            let memory = memory_of(bufs, count)?;
            let beside = Beside { from, from_len, message: std::ptr::null_mut() };
            start::receive(&socket, memory, *flags, beside, told(overlapped, routine))
        }), bytes, flags)
    }

    fn wsk_WSASendTo(
        s: abi::Socket, bufs: *const WsaBuf, count: Dword, bytes: *mut Dword, flags: Dword,
        to: *const u8, to_len: i32, overlapped: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> i32, SOCKET_ERROR => {
        report(find(s).and_then(|socket| {
            if bytes.is_null() && overlapped.is_null() {
                return Err(WSAEFAULT);
            }
            start::send(&socket, memory_of(bufs, count)?, flags, name_of(to, to_len)?, told(overlapped, routine))
        }), bytes, std::ptr::null_mut())
    }

    /// As `recv`, with flags in and out.
    fn wsk_WSARecvEx(s: abi::Socket, ptr: *mut u8, len: i32, flags: *mut i32) -> i32, SOCKET_ERROR => {
        let ended = find(s).and_then(|socket| {
            if flags.is_null() {
                return Err(WSAEFAULT);
            }
            start::receive(&socket, plain(ptr, len)?, *flags as u32, Beside::NOTHING, Told::ByReturn)
        });
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
            start::receive(&socket, memory, (*message).flags, beside, told(overlapped, routine))
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
                return start::send(&socket, memory, flags, to, told(overlapped, routine));
            }
            let told = told(overlapped, routine);
            start::send_with_control(&socket, &memory, flags, to.as_ref(), &(*message).control, told)
        }), bytes, std::ptr::null_mut())
    }
}
