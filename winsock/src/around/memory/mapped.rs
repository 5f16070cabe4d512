//! Which addresses are mapped, from the system's own list: `IsBadReadPtr` and its kin, and
//! `ReadProcessMemory` of this process.

use std::{ffi::c_void, fs, ptr};

use crate::{
    abi::{Bool, FALSE, Handle, TRUE, Wchar},
    error::{ERROR_INVALID_HANDLE, fail},
};

/// `GetCurrentProcess()`.
const THIS_PROCESS: Handle = usize::MAX;
/// `ERROR_PARTIAL_COPY`.
const PARTIAL_COPY: u32 = 299;

pub(super) const READABLE: u8 = 1;
pub(super) const WRITABLE: u8 = 2;
pub(super) const EXECUTABLE: u8 = 4;

/// One mapping: where it begins and ends, and what is allowed.
struct Mapping {
    begin: usize,
    end: usize,
    rights: u8,
}

fn mappings() -> Vec<Mapping> {
    let text = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.split_whitespace();
        let (begin, end) = fields.next()?.split_once('-')?;
        let letters = fields.next()?;
        let right = |letter, bit| if letters.contains(letter) { bit } else { 0 };
        Some(Mapping {
            begin: usize::from_str_radix(begin, 16).ok()?,
            end: usize::from_str_radix(end, 16).ok()?,
            rights: right('r', READABLE) | right('w', WRITABLE) | right('x', EXECUTABLE),
        })
    };
    text.lines().filter_map(parse).collect()
}

/// The rights at an address, or nothing if it is not mapped.
pub(super) fn rights_at(address: usize) -> Option<u8> {
    mappings().iter().find(|it| (it.begin..it.end).contains(&address)).map(|it| it.rights)
}

/// How many bytes from `address` on, at most `size`, allow `rights`.
fn extent(address: usize, size: usize, rights: u8) -> usize {
    let end = address.saturating_add(size);
    let mut at = address;
    for mapping in mappings() {
        if at < end && (mapping.begin..mapping.end).contains(&at) && mapping.rights & rights == rights {
            at = mapping.end.min(end);
        }
    }
    at - address
}

fn is_bad(address: usize, size: usize, rights: u8) -> Bool {
    Bool::from(size > 0 && extent(address, size, rights) < size)
}

/// Whether a text ends before unreadable memory, or is `maximum` long.
///
/// # Safety
/// Nothing unmaps the memory meanwhile.
unsafe fn is_bad_text<T: Copy + Default + PartialEq>(text: *const T, maximum: usize) -> Bool {
    let size = maximum.saturating_mul(size_of::<T>());
    let there = extent(text as usize, size, READABLE);
    if there == size {
        return FALSE;
    }
    // SAFETY: so many bytes can be read.
    let ends = (0..there / size_of::<T>()).any(|i| unsafe { text.add(i).read_unaligned() } == T::default());
    Bool::from(!ends)
}

/// Copies within this process as far as `rights` allow at `there`.
///
/// # Safety
/// `here` is the program's buffer of `size` bytes.
unsafe fn copy(process: Handle, there: usize, here: *mut c_void, size: usize, write: bool, done: *mut usize) -> Bool {
    if process != THIS_PROCESS {
        return fail(ERROR_INVALID_HANDLE, FALSE);
    }
    let count = extent(there, size, if write { WRITABLE } else { READABLE });
    let whole = count == size;
    // SAFETY: both sides are mapped; the caller names its own memory.
    unsafe {
        if whole && write {
            ptr::copy(here.cast::<u8>(), there as *mut u8, size);
        } else if whole {
            ptr::copy(there as *const u8, here.cast::<u8>(), size);
        }
        if !done.is_null() {
            done.write(if whole { size } else { 0 });
        }
    }
    if whole { TRUE } else { fail(PARTIAL_COPY, FALSE) }
}

export! {
    fn wsk_IsBadReadPtr(memory: *const c_void, size: usize) -> Bool, TRUE => { is_bad(memory as usize, size, READABLE) }
    fn wsk_IsBadWritePtr(memory: *mut c_void, size: usize) -> Bool, TRUE => { is_bad(memory as usize, size, WRITABLE) }
    fn wsk_IsBadStringPtrA(text: *const u8, maximum: usize) -> Bool, TRUE => { is_bad_text(text, maximum) }
    fn wsk_IsBadStringPtrW(text: *const Wchar, maximum: usize) -> Bool, TRUE => { is_bad_text(text, maximum) }

    fn wsk_ReadProcessMemory(process: Handle, address: *const c_void, buffer: *mut c_void, size: usize, read: *mut usize) -> Bool, FALSE => {
        copy(process, address as usize, buffer, size, false, read)
    }

    fn wsk_WriteProcessMemory(process: Handle, address: *mut c_void, buffer: *const c_void, size: usize, written: *mut usize) -> Bool, FALSE => {
        copy(process, address as usize, buffer.cast_mut(), size, true, written)
    }

    fn wsk_SetProcessWorkingSetSize(process: Handle, _minimum: usize, _maximum: usize) -> Bool, FALSE => {
        if process == THIS_PROCESS { TRUE } else { fail(ERROR_INVALID_HANDLE, FALSE) }
    }
}
