//! Positions and sizes of open files, and what else is done with one.

use std::io;

use super::errors::code_of;
use super::open::File;
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NEGATIVE_SEEK, NO_ERROR, fail, set_last};
use crate::handles;

/// `INVALID_SET_FILE_POINTER` and `INVALID_FILE_SIZE`.
const INVALID: Dword = u32::MAX;

fn moved(file: Handle, distance: i64, method: Dword) -> Result<i64, u32> {
    let file = handles::get::<File>(file).ok_or(ERROR_INVALID_HANDLE)?;
    let whence = match method {
        0 => libc::SEEK_SET,
        1 => libc::SEEK_CUR,
        2 => libc::SEEK_END,
        _ => return Err(ERROR_INVALID_PARAMETER),
    };
    // SAFETY: no memory is passed.
    let position = unsafe { libc::lseek(file.fd(), distance, whence) };
    if position >= 0 {
        return Ok(position);
    }
    let error = io::Error::last_os_error();
    Err(if error.raw_os_error() == Some(libc::EINVAL) { ERROR_NEGATIVE_SEEK } else { code_of(&error) })
}

fn status(file: Handle) -> Result<libc::stat, u32> {
    let file = handles::get::<File>(file).ok_or(ERROR_INVALID_HANDLE)?;
    // SAFETY: the status is written by the call.
    unsafe {
        let mut status = std::mem::zeroed();
        match libc::fstat(file.fd(), &raw mut status) {
            0 => Ok(status),
            _ => Err(code_of(&io::Error::last_os_error())),
        }
    }
}

fn done(result: Result<(), u32>) -> Bool {
    match result {
        Ok(()) => TRUE,
        Err(code) => fail(code, FALSE),
    }
}

/// The low half of a number, with the high one where the program wants it.
unsafe fn halves(number: Result<i64, u32>, high: *mut Dword) -> Dword {
    match number {
        Ok(number) => {
            if !high.is_null() {
                // SAFETY: the caller has it from the program.
                unsafe { high.write((number >> 32) as u32) };
            }
            // All ones are a number too, so this is how a program knows.
            set_last(NO_ERROR);
            number as u32
        }
        Err(code) => fail(code, INVALID),
    }
}

/// 100 ns since 1601, of seconds and nanoseconds since 1970.
fn filetime(seconds: i64, nanoseconds: i64) -> u64 {
    (116_444_736_000_000_000 + i128::from(seconds) * 10_000_000 + i128::from(nanoseconds / 100)).max(0) as u64
}

fn ended_here(file: Handle) -> Result<(), u32> {
    let file = handles::get::<File>(file).ok_or(ERROR_INVALID_HANDLE)?;
    // SAFETY: no memory is passed.
    let cut = unsafe { libc::ftruncate(file.fd(), libc::lseek(file.fd(), 0, libc::SEEK_CUR)) };
    if cut == 0 { Ok(()) } else { Err(code_of(&io::Error::last_os_error())) }
}

fn flushed(file: Handle) -> Result<(), u32> {
    let file = handles::get::<File>(file).ok_or(ERROR_INVALID_HANDLE)?;
    // SAFETY: no memory is passed.
    if unsafe { libc::fsync(file.fd()) } == 0 {
        return Ok(());
    }
    // A terminal or a pipe has nothing to be flushed.
    let error = io::Error::last_os_error();
    if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EROFS)) { Ok(()) } else { Err(code_of(&error)) }
}

export! {
    fn wsk_SetFilePointer(file: Handle, distance: i32, high: *mut i32, method: Dword) -> Dword, INVALID => {
        let distance = match high.is_null() {
            true => i64::from(distance),
            false => i64::from(*high) << 32 | i64::from(distance as u32),
        };
        halves(moved(file, distance, method), high.cast())
    }

    fn wsk_SetFilePointerEx(file: Handle, distance: i64, position: *mut i64, method: Dword) -> Bool, FALSE => {
        done(moved(file, distance, method).map(|now| {
            if !position.is_null() {
                position.write_unaligned(now);
            }
        }))
    }

    fn wsk_GetFileSize(file: Handle, high: *mut Dword) -> Dword, INVALID => {
        halves(status(file).map(|status| status.st_size), high)
    }

    fn wsk_GetFileSizeEx(file: Handle, size: *mut i64) -> Bool, FALSE => {
        if size.is_null() {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        done(status(file).map(|status| size.write_unaligned(status.st_size)))
    }

    fn wsk_SetEndOfFile(file: Handle) -> Bool, FALSE => { done(ended_here(file)) }

    fn wsk_FlushFileBuffers(file: Handle) -> Bool, FALSE => { done(flushed(file)) }

    /// `FILE_TYPE_DISK`, `FILE_TYPE_CHAR`, `FILE_TYPE_PIPE`; sockets are pipes, as on Windows.
    fn wsk_GetFileType(file: Handle) -> Dword, 0 => {
        if handles::get::<crate::socket::entry::Socket>(file).is_some() {
            set_last(NO_ERROR);
            return 3;
        }
        match status(file) {
            Ok(status) => {
                set_last(NO_ERROR);
                match status.st_mode & libc::S_IFMT {
                    libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK => 1,
                    libc::S_IFCHR => 2,
                    _ => 3,
                }
            }
            Err(code) => fail(code, 0),
        }
    }

    fn wsk_GetFileTime(file: Handle, created: *mut u64, read: *mut u64, written: *mut u64) -> Bool, FALSE => {
        done(status(file).map(|status| {
            let times = [
                (created, filetime(status.st_ctime, status.st_ctime_nsec)),
                (read, filetime(status.st_atime, status.st_atime_nsec)),
                (written, filetime(status.st_mtime, status.st_mtime_nsec)),
            ];
            for (to, time) in times {
                if !to.is_null() {
                    to.write_unaligned(time);
                }
            }
        }))
    }
}
