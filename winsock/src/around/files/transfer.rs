//! `ReadFile` and `WriteFile`, with an `OVERLAPPED` and without. An overlapped operation on a file
//! ends within its start: the system has no other way that is faster. It is told of all the same.

use std::ffi::c_void;
use std::io;
use std::sync::Arc;

use super::errors::code_of;
use super::open::File;
use crate::abi::{Bool, Dword, FALSE, Handle, Overlapped, TRUE};
use crate::deliver::{self, Codes};
use crate::error::status::STATUS_SUCCESS;
use crate::error::{
    ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER,
    ERROR_NOACCESS, NtStatus, fail,
};
use crate::handles;
use crate::io as socket_io;
use crate::socket::entry::Socket;
use crate::thread::CompletionRoutine;

/// Which way, and where.
#[derive(Clone, Copy)]
enum Transfer {
    Read(*mut u8, usize),
    Write(*const u8, usize),
}

impl Transfer {
    fn is_allowed(self, file: &File) -> bool {
        match self {
            Transfer::Read(..) => file.reads,
            Transfer::Write(..) => file.writes,
        }
    }

    fn has_memory(self) -> bool {
        match self {
            Transfer::Read(to, len) => len == 0 || !to.is_null(),
            Transfer::Write(from, len) => len == 0 || !from.is_null(),
        }
    }

    /// At a place, or without one at the file's position.
    ///
    /// # Safety
    /// The memory is the program's for this.
    unsafe fn run(self, file: &File, at: Option<i64>) -> Result<u32, u32> {
        let fd = file.fd();
        loop {
            // SAFETY: as the caller promises.
            let moved = unsafe {
                match (self, at) {
                    (Transfer::Read(to, len), Some(at)) => libc::pread(fd, to.cast(), len, at),
                    (Transfer::Read(to, len), None) => libc::read(fd, to.cast(), len),
                    (Transfer::Write(from, len), Some(at)) => libc::pwrite(fd, from.cast(), len, at),
                    (Transfer::Write(from, len), None) => libc::write(fd, from.cast(), len),
                }
            };
            if moved >= 0 {
                return Ok(moved as u32);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(code_of(&error));
            }
        }
    }
}

/// Where an `OVERLAPPED` points; an offset of all ones is the end.
unsafe fn place(overlapped: *const Overlapped) -> Option<i64> {
    // SAFETY: the caller has it from the program.
    let (low, high) = unsafe { ((*overlapped).offset, (*overlapped).offset_high) };
    if low == u32::MAX && high == u32::MAX { None } else { Some((u64::from(high) << 32 | u64::from(low)) as i64) }
}

/// Runs a transfer with an `OVERLAPPED`.
///
/// # Safety
/// The memory and the `OVERLAPPED` are the program's for this.
unsafe fn overlapped(
    file: &File,
    transfer: Transfer,
    overlapped: *mut Overlapped,
    routine: Option<CompletionRoutine>,
) -> Result<u32, u32> {
    // SAFETY: as the caller promises.
    unsafe {
        let ticket = deliver::begin(&file.completion, overlapped, routine, Codes::Win32)?;
        let mut at = place(overlapped);
        if at.is_none() {
            let end = libc::lseek(file.fd(), 0, libc::SEEK_END);
            at = (end >= 0).then_some(end);
        }
        let at = at.filter(|_| file.is_regular() && !(file.appends && matches!(transfer, Transfer::Write(..))));
        let ended = transfer.run(file, at);
        match (ended, transfer) {
            (Ok(0), Transfer::Read(_, 1..)) => {
                ticket.refuse(NtStatus(0xC000_0011));
                Err(ERROR_HANDLE_EOF)
            }
            (Ok(bytes), _) => {
                if !file.overlapped
                    && let Some(at) = at
                {
                    libc::lseek(file.fd(), at + i64::from(bytes), libc::SEEK_SET);
                }
                ticket.finish_now(STATUS_SUCCESS, bytes, 0);
                Ok(bytes)
            }
            (Err(code), _) => {
                ticket.refuse(NtStatus::of_code(code));
                Err(code)
            }
        }
    }
}

/// # Safety
/// As the documentation of `ReadFile` and `WriteFile` asks.
unsafe fn transfer(file: &Arc<File>, transfer: Transfer, moved: *mut Dword, block: *mut Overlapped) -> Bool {
    if !moved.is_null() {
        // SAFETY: as the caller promises.
        unsafe { moved.write(0) };
    }
    if !transfer.is_allowed(file) {
        return fail(ERROR_ACCESS_DENIED, FALSE);
    }
    if !transfer.has_memory() {
        return fail(ERROR_NOACCESS, FALSE);
    }
    if block.is_null() && (moved.is_null() || file.overlapped) {
        return fail(ERROR_INVALID_PARAMETER, FALSE);
    }
    // SAFETY: as the caller promises.
    let ended = unsafe {
        if block.is_null() {
            if file.appends {
                libc::lseek(file.fd(), 0, libc::SEEK_END);
            }
            match (transfer.run(file, None), transfer) {
                (Ok(0), Transfer::Read(_, 1..)) if is_pipe(file) => Err(ERROR_BROKEN_PIPE),
                (ended, _) => ended,
            }
        } else {
            overlapped(file, transfer, block, None)
        }
    };
    match ended {
        Ok(bytes) => {
            if !moved.is_null() {
                // SAFETY: as the caller promises.
                unsafe { moved.write(bytes) };
            }
            TRUE
        }
        Err(code) => fail(code, FALSE),
    }
}

fn is_pipe(file: &File) -> bool {
    // SAFETY: the status is written by the call.
    unsafe {
        let mut status = std::mem::zeroed::<libc::stat>();
        libc::fstat(file.fd(), &raw mut status) == 0 && status.st_mode & libc::S_IFMT == libc::S_IFIFO
    }
}

/// # Safety
/// As the documentation of `ReadFileEx` and `WriteFileEx` asks.
unsafe fn with_routine(
    file: Handle,
    transfer: Transfer,
    block: *mut Overlapped,
    routine: Option<CompletionRoutine>,
) -> Bool {
    let Some(file) = handles::get::<File>(file) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
    if block.is_null() || routine.is_none() || !file.overlapped {
        return fail(ERROR_INVALID_PARAMETER, FALSE);
    }
    if !transfer.is_allowed(&file) {
        return fail(ERROR_ACCESS_DENIED, FALSE);
    }
    if !transfer.has_memory() {
        return fail(ERROR_NOACCESS, FALSE);
    }
    // SAFETY: as the caller promises.
    match unsafe { overlapped(&file, transfer, block, routine) } {
        Ok(_) => TRUE,
        Err(code) => fail(code, FALSE),
    }
}

export! {
    fn wsk_ReadFile(
        file: Handle, to: *mut c_void, size: Dword, read: *mut Dword, block: *mut Overlapped,
    ) -> Bool, FALSE => {
        if let Some(socket) = handles::get::<Socket>(file) {
            return socket_io::read_file(&socket, to.cast(), size, read, block);
        }
        match handles::get::<File>(file) {
            Some(file) => transfer(&file, Transfer::Read(to.cast(), size as usize), read, block),
            None => fail(ERROR_INVALID_HANDLE, FALSE),
        }
    }

    fn wsk_WriteFile(
        file: Handle, from: *const c_void, size: Dword, written: *mut Dword, block: *mut Overlapped,
    ) -> Bool, FALSE => {
        if let Some(socket) = handles::get::<Socket>(file) {
            return socket_io::write_file(&socket, from.cast(), size, written, block);
        }
        match handles::get::<File>(file) {
            Some(file) => transfer(&file, Transfer::Write(from.cast(), size as usize), written, block),
            None => fail(ERROR_INVALID_HANDLE, FALSE),
        }
    }

    fn wsk_ReadFileEx(
        file: Handle, to: *mut c_void, size: Dword, block: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> Bool, FALSE => {
        with_routine(file, Transfer::Read(to.cast(), size as usize), block, routine)
    }

    fn wsk_WriteFileEx(
        file: Handle, from: *const c_void, size: Dword, block: *mut Overlapped, routine: Option<CompletionRoutine>,
    ) -> Bool, FALSE => {
        with_routine(file, Transfer::Write(from.cast(), size as usize), block, routine)
    }
}
