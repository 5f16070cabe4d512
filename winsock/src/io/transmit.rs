//! `TransmitFile` and `TransmitPackets`: files and memory, in one send.

use std::os::fd::RawFd;
use std::sync::Arc;

use super::disconnect::disconnect;
use super::end::Ended;
use super::extension::{TF_REUSE_SOCKET, truth};
use super::memory::Memory;
use super::send::Beyond;
use super::start::{self, Told};
use crate::abi::{self, Bool, Dword, FALSE, Handle, Overlapped, WsaBuf};
use crate::deliver::Codes;
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, WSAEINVAL, WSAENOBUFS, WSAENOTCONN};
use crate::handles;
use crate::socket::entry::{Socket, State};
use crate::socket::startup::find;

/// `TRANSMIT_FILE_BUFFERS`
#[repr(C)]
pub(crate) struct Buffers {
    head: *mut u8,
    head_len: Dword,
    tail: *mut u8,
    tail_len: Dword,
}

/// `TRANSMIT_PACKETS_ELEMENT`
#[repr(C)]
pub(crate) struct Element {
    flags: u32,
    len: u32,
    /// The offset in the file, or the start of the memory.
    offset: usize,
    file: Handle,
}

const TF_DISCONNECT: u32 = 1;
const TP_ELEMENT_MEMORY: u32 = 1;
const TP_ELEMENT_FILE: u32 = 2;

/// A range of a file, in memory while it is sent.
struct Mapping {
    start: *mut libc::c_void,
    len: usize,
}

// SAFETY: the mapping is this value's.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and nobody reads it any more.
        unsafe { libc::munmap(self.start, self.len) };
    }
}

fn size_of_file(fd: RawFd) -> Result<u64, u32> {
    // SAFETY: it writes the structure that it is given.
    unsafe {
        let mut facts: libc::stat = std::mem::zeroed();
        match libc::fstat(fd, &raw mut facts) {
            0 if facts.st_mode & libc::S_IFMT == libc::S_IFREG => Ok(facts.st_size as u64),
            _ => Err(ERROR_INVALID_PARAMETER),
        }
    }
}

/// Maps `len` bytes from `offset` on (0: to the end). If the file becomes shorter meanwhile, the
/// send fails.
fn map(fd: RawFd, offset: u64, len: u64) -> Result<(Option<Mapping>, *mut u8, usize), u32> {
    let left = size_of_file(fd)?.saturating_sub(offset);
    let len = if len == 0 { left } else { len };
    if len > left {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if len == 0 {
        return Ok((None, std::ptr::null_mut(), 0));
    }
    let skip = (offset % 4096) as usize;
    let whole = len as usize + skip;
    let at = (offset - skip as u64) as libc::off_t;
    // SAFETY: a new mapping, which nothing else uses.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), whole, libc::PROT_READ, libc::MAP_SHARED, fd, at) };
    if start == libc::MAP_FAILED {
        return Err(WSAENOBUFS);
    }
    let mapping = Mapping { start, len: whole };
    Ok((Some(mapping), start.cast::<u8>().wrapping_add(skip), len as usize))
}

fn file_of(handle: Handle) -> Result<RawFd, u32> {
    handles::any(handle).and_then(|object| object.descriptor()).ok_or(ERROR_INVALID_HANDLE)
}

/// What is sent: stretches of memory, the program's or those of mapped files.
#[derive(Default)]
struct Pieces {
    bufs: Vec<WsaBuf>,
    mappings: Vec<Mapping>,
}

impl Pieces {
    fn memory(&mut self, ptr: *mut u8, len: u32) {
        if len > 0 {
            self.bufs.push(WsaBuf { len, buf: ptr });
        }
    }

    fn file(&mut self, fd: RawFd, offset: u64, len: u64) -> Result<u64, u32> {
        let (mapping, mut ptr, len) = map(fd, offset, len)?;
        self.mappings.extend(mapping);
        let mut left = len;
        while left > 0 {
            let piece = left.min(1 << 30);
            self.memory(ptr, piece as u32);
            ptr = ptr.wrapping_add(piece);
            left -= piece;
        }
        Ok(len as u64)
    }

    fn send(self, socket: &Arc<Socket>, flags: u32, overlapped: *mut Overlapped) -> Result<Ended, u32> {
        if self.bufs.iter().map(|buf| u64::from(buf.len)).sum::<u64>() > u64::from(i32::MAX as u32) {
            return Err(WSAEINVAL);
        }
        // SAFETY: the program lends its memory to the operation, which keeps the mappings.
        let memory = unsafe { Memory::of_bufs(self.bufs.as_ptr(), self.bufs.len() as u32) }.ok_or(WSAEINVAL)?;
        let told = match overlapped.is_null() {
            true => Told::ByReturn,
            false => Told::Later { overlapped, routine: None, codes: Codes::Wsa },
        };
        let after: Option<fn(&Arc<Socket>)> = match flags & (TF_DISCONNECT | TF_REUSE_SOCKET) {
            0 => None,
            TF_DISCONNECT => Some(|socket| _ = disconnect(socket, false)),
            _ => Some(|socket| _ = disconnect(socket, true)),
        };
        start::send_beyond(socket, memory, 0, None, told, Beyond { kept: Some(Box::new(self.mappings)), after })
    }
}

fn connected(s: abi::Socket) -> Result<Arc<Socket>, u32> {
    let socket = find(s)?;
    let state = socket.core().state;
    if socket.is_stream() && state != State::Connected { Err(WSAENOTCONN) } else { Ok(socket) }
}

unsafe fn offset_of(overlapped: *const Overlapped) -> Option<u64> {
    // SAFETY: it is null or can be read.
    unsafe {
        (!overlapped.is_null()).then(|| u64::from((*overlapped).offset) | u64::from((*overlapped).offset_high) << 32)
    }
}

export! {
    fn wsk_TransmitFile(
        s: abi::Socket, file: Handle, bytes: Dword, _each: Dword, overlapped: *mut Overlapped,
        buffers: *const Buffers, flags: Dword,
    ) -> Bool, FALSE => {
        truth(connected(s).and_then(|socket| {
            let mut pieces = Pieces::default();
            if !buffers.is_null() {
                pieces.memory((*buffers).head, (*buffers).head_len);
            }
            if file != 0 {
                let fd = file_of(file)?;
                match offset_of(overlapped) {
                    Some(offset) => drop(pieces.file(fd, offset, bytes.into())?),
                    None => {
                        // From the file's position on, which moves.
                        let at = libc::lseek(fd, 0, libc::SEEK_CUR).max(0);
                        let sent = pieces.file(fd, at as u64, bytes.into())?;
                        libc::lseek(fd, sent as i64, libc::SEEK_CUR);
                    }
                }
            }
            if !buffers.is_null() {
                pieces.memory((*buffers).tail, (*buffers).tail_len);
            }
            pieces.send(&socket, flags, overlapped).map(drop)
        }))
    }

    fn wsk_TransmitPackets(
        s: abi::Socket, elements: *const Element, count: Dword, _each: Dword, overlapped: *mut Overlapped, flags: Dword,
    ) -> Bool, FALSE => {
        truth(connected(s).and_then(|socket| {
            let mut pieces = Pieces::default();
            if elements.is_null() && count > 0 {
                return Err(WSAEINVAL);
            }
            for at in 0..count as usize {
                let element = &*elements.add(at);
                match element.flags & (TP_ELEMENT_MEMORY | TP_ELEMENT_FILE) {
                    TP_ELEMENT_MEMORY => pieces.memory(element.offset as *mut u8, element.len),
                    TP_ELEMENT_FILE => {
                        pieces.file(file_of(element.file)?, element.offset as u64, element.len.into())?;
                    }
                    _ => return Err(WSAEINVAL),
                }
            }
            pieces.send(&socket, flags, overlapped).map(drop)
        }))
    }
}
