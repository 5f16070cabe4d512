//! Strings of the program, narrow and wide, in and out. Narrow strings are UTF-8 here.

use crate::abi::Wchar;
use std::ffi::CStr;

/// No string that a call takes is longer: a missing zero ends somewhere.
const MAX_LENGTH: usize = 1 << 24;

/// The text of a narrow string; `None` for a null pointer.
///
/// # Safety
/// `text` is null or ends with a zero.
pub unsafe fn narrow(text: *const u8) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's.
    Some(unsafe { CStr::from_ptr(text.cast()) }.to_string_lossy().into_owned())
}

/// The length of a wide string, without its zero.
///
/// # Safety
/// `text` ends with a zero.
pub unsafe fn wide_length(text: *const Wchar) -> usize {
    let mut length = 0;
    // SAFETY: up to the zero, the caller's.
    while length < MAX_LENGTH && unsafe { text.add(length).read_unaligned() } != 0 {
        length += 1;
    }
    length
}

/// The text of a wide string; `None` for a null pointer.
///
/// # Safety
/// `text` is null or ends with a zero.
pub unsafe fn wide(text: *const Wchar) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's, and as long as was counted.
    Some(unsafe { wide_units(text, wide_length(text)) })
}

/// The text of `length` wide characters.
///
/// # Safety
/// `text` has `length` of them.
pub unsafe fn wide_units(text: *const Wchar, length: usize) -> String {
    let character = |unit: Wchar| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
    // SAFETY: the caller's.
    (0..length).map(|at| character(unsafe { text.add(at).read_unaligned() })).collect()
}

pub fn to_wide(text: &str) -> Vec<Wchar> {
    text.chars().map(|c| c as Wchar).collect()
}

/// Copies `units` and a zero into a buffer of `size` units. What does not fit is cut: `Err` has the
/// size that is needed, with the zero.
///
/// # Safety
/// `buffer` is null or has room for `size` units.
pub unsafe fn copy_out<T: Copy + Default>(units: &[T], buffer: *mut T, size: usize) -> Result<usize, usize> {
    if buffer.is_null() || size == 0 {
        return Err(units.len() + 1);
    }
    let copied = units.len().min(size - 1);
    // SAFETY: `copied` and the zero fit into `size`.
    unsafe {
        std::ptr::copy_nonoverlapping(units.as_ptr(), buffer, copied);
        buffer.add(copied).write_unaligned(T::default());
    }
    if copied == units.len() { Ok(copied) } else { Err(units.len() + 1) }
}

/// The convention of most calls: the length without the zero if it fits, else the size that is
/// needed, and nothing is written.
///
/// # Safety
/// `buffer` is null or has room for `size` units.
pub unsafe fn all_or_size<T: Copy + Default>(units: &[T], buffer: *mut T, size: u32) -> u32 {
    if buffer.is_null() || units.len() >= size as usize {
        return (units.len() + 1) as u32;
    }
    // SAFETY: it fits.
    let _ = unsafe { copy_out(units, buffer, size as usize) };
    units.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_narrow() {
        let units = to_wide("한글 ok\0");
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { wide(units.as_ptr()) }.as_deref(), Some("한글 ok"));
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { wide([0xd800, 0].as_ptr()) }.as_deref(), Some("\u{fffd}"));
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { narrow(std::ptr::null()) }, None);
    }

    #[test]
    fn buffers_are_never_overrun() {
        let mut buffer = [7u8; 4];
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { copy_out(b"abc", buffer.as_mut_ptr(), 4) }, Ok(3));
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { copy_out(b"abcd", buffer.as_mut_ptr(), 3) }, Err(5));
        assert_eq!(&buffer, b"ab\0\0");
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { all_or_size(b"abcd", buffer.as_mut_ptr(), 4) }, 5);
        assert_eq!(&buffer, b"ab\0\0");
    }
}
