//! Text between the program and the system: narrow text is passed on as it is, wide text has one
//! character in each unit.

use std::ffi::{CStr, OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::abi::Wchar;

/// Texts of programs that are longer are cut here: one without an end would be read without end.
const LONGEST: usize = 1 << 24;

/// # Safety
/// `text` is null or the start of a text with an end.
pub(crate) unsafe fn from_a(text: *const c_char) -> Option<OsString> {
    // SAFETY: as the caller promises.
    let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })?;
    Some(OsString::from_vec(text.to_bytes().to_vec()))
}

/// # Safety
/// `text` is null or the start of a text with an end.
pub(crate) unsafe fn from_w(text: *const Wchar) -> Option<OsString> {
    if text.is_null() {
        return None;
    }
    let mut string = String::new();
    for at in 0..LONGEST {
        // SAFETY: as the caller promises, and the end has not been reached.
        match unsafe { text.add(at).read() } {
            0 => break,
            unit => string.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }
    Some(string.into())
}

/// Writes text as calls do that return its length: without the end, or if there is no room for it,
/// the room that it needs.
///
/// # Safety
/// `to` is null or points to `size` units.
pub(crate) unsafe fn give_a(text: &OsStr, to: *mut c_char, size: u32) -> u32 {
    let bytes = text.as_bytes();
    if to.is_null() || bytes.len() >= size as usize {
        return bytes.len() as u32 + 1;
    }
    // SAFETY: as the caller promises; text and end fit.
    unsafe {
        to.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        to.add(bytes.len()).write(0);
    }
    bytes.len() as u32
}

/// The same for wide text.
///
/// # Safety
/// `to` is null or points to `size` units.
pub(crate) unsafe fn give_w(text: &OsStr, to: *mut Wchar, size: u32) -> u32 {
    let units = units(text);
    if to.is_null() || units.len() >= size as usize {
        return units.len() as u32 + 1;
    }
    // SAFETY: as the caller promises; text and end fit.
    unsafe {
        to.copy_from_nonoverlapping(units.as_ptr(), units.len());
        to.add(units.len()).write(0);
    }
    units.len() as u32
}

/// Text as wide characters, without an end.
pub(crate) fn units(text: &OsStr) -> Vec<Wchar> {
    text.to_string_lossy().chars().map(u32::from).collect()
}
