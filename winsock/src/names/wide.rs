//! Strings of the program's, narrow and wide. A wide character has four bytes here.

use std::ffi::{CStr, CString, c_char};

use crate::abi::Wchar;

/// A wide string; `None` for none.
///
/// # Safety
/// `ptr` is null or points to a string that ends with a zero.
pub(crate) unsafe fn from_wide(ptr: *const Wchar) -> Option<String> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: it is read up to its zero.
    let chars = (0..).map(|at| unsafe { *ptr.add(at) }).take_while(|char| *char != 0);
    Some(chars.map(|char| char::from_u32(char).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// A narrow string; `None` for none.
///
/// # Safety
/// `ptr` is null or points to a string that ends with a zero.
pub(crate) unsafe fn from_narrow(ptr: *const c_char) -> Option<String> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(unsafe { CStr::from_ptr(ptr) }.to_string_lossy().into_owned())
}

pub(crate) fn to_c(text: &str) -> Option<CString> {
    CString::new(text).ok()
}

/// A character of the program's strings.
pub(crate) trait Char: Copy + 'static {
    fn of(byte: u8) -> Self;
}

impl Char for u8 {
    fn of(byte: u8) -> u8 {
        byte
    }
}

impl Char for Wchar {
    fn of(byte: u8) -> Wchar {
        byte.into()
    }
}

/// Writes text without other characters than ASCII, with a zero behind it; `false` if there is not
/// enough room.
///
/// # Safety
/// `room` characters can be written at `ptr`.
pub(crate) unsafe fn write<C: Char>(text: &str, ptr: *mut C, room: usize) -> bool {
    if ptr.is_null() || text.len() >= room {
        return false;
    }
    for (at, byte) in text.bytes().chain([0]).enumerate() {
        // SAFETY: within the room.
        unsafe { ptr.add(at).write(C::of(byte)) };
    }
    true
}
