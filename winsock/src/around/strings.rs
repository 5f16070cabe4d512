//! `lstrlen` and its kind, comparison, and the names of locales.

use super::text;
use crate::abi::Wchar;

/// English of the United States.
const LOCALE: u32 = 0x409;

/// The order of two strings, as a number of C.
fn order(a: &str, b: &str, ignore_case: bool) -> i32 {
    if ignore_case { a.to_lowercase().cmp(&b.to_lowercase()) as i32 } else { a.cmp(b) as i32 }
}

/// Copies at most `size - 1` units and a zero.
///
/// # Safety
/// `to` has room for `size`, `from` for `length`.
unsafe fn copy<T: Copy + Default>(to: *mut T, from: *const T, length: usize, size: usize) -> *mut T {
    if to.is_null() || from.is_null() || size == 0 {
        return std::ptr::null_mut();
    }
    let count = length.min(size - 1);
    // SAFETY: the caller's; the areas may be the same.
    unsafe {
        std::ptr::copy(from, to, count);
        to.add(count).write(T::default());
    }
    to
}

/// # Safety
/// `text` is null or ends with a zero.
unsafe fn length(text: *const u8) -> usize {
    // SAFETY: the caller's.
    if text.is_null() { 0 } else { unsafe { libc::strlen(text.cast()) } }
}

/// # Safety
/// `text` is null or ends with a zero.
unsafe fn wide_length(text: *const Wchar) -> usize {
    // SAFETY: the caller's.
    if text.is_null() { 0 } else { unsafe { text::wide_length(text) } }
}

export! {
    fn wsk_lstrlenA(text: *const u8) -> i32, 0 => { length(text) as i32 }
    fn wsk_lstrlenW(text: *const Wchar) -> i32, 0 => { wide_length(text) as i32 }
    fn wsk_lstrcpyA(to: *mut u8, from: *const u8) -> *mut u8, std::ptr::null_mut() => { copy(to, from, length(from), usize::MAX) }
    fn wsk_lstrcpyW(to: *mut Wchar, from: *const Wchar) -> *mut Wchar, std::ptr::null_mut() => { copy(to, from, wide_length(from), usize::MAX) }
    fn wsk_lstrcpynA(to: *mut u8, from: *const u8, size: i32) -> *mut u8, std::ptr::null_mut() => {
        copy(to, from, length(from), usize::try_from(size).unwrap_or(0))
    }
    fn wsk_lstrcpynW(to: *mut Wchar, from: *const Wchar, size: i32) -> *mut Wchar, std::ptr::null_mut() => {
        copy(to, from, wide_length(from), usize::try_from(size).unwrap_or(0))
    }
    fn wsk_lstrcatA(to: *mut u8, from: *const u8) -> *mut u8, std::ptr::null_mut() => {
        if copy(to.add(length(to)), from, length(from), usize::MAX).is_null() { std::ptr::null_mut() } else { to }
    }
    fn wsk_lstrcatW(to: *mut Wchar, from: *const Wchar) -> *mut Wchar, std::ptr::null_mut() => {
        if copy(to.add(wide_length(to)), from, wide_length(from), usize::MAX).is_null() { std::ptr::null_mut() } else { to }
    }
    fn wsk_lstrcmpA(a: *const u8, b: *const u8) -> i32, 0 => {
        order(&text::narrow(a).unwrap_or_default(), &text::narrow(b).unwrap_or_default(), false)
    }
    fn wsk_lstrcmpW(a: *const Wchar, b: *const Wchar) -> i32, 0 => {
        order(&text::wide(a).unwrap_or_default(), &text::wide(b).unwrap_or_default(), false)
    }
    fn wsk_lstrcmpiA(a: *const u8, b: *const u8) -> i32, 0 => {
        order(&text::narrow(a).unwrap_or_default(), &text::narrow(b).unwrap_or_default(), true)
    }
    fn wsk_lstrcmpiW(a: *const Wchar, b: *const Wchar) -> i32, 0 => {
        order(&text::wide(a).unwrap_or_default(), &text::wide(b).unwrap_or_default(), true)
    }
    /// By code points, not by the rules of a language.
    fn wsk_CompareStringA(_locale: u32, flags: u32, a: *const u8, a_length: i32, b: *const u8, b_length: i32) -> i32, 0 => {
        let read = |text: *const u8, count: i32| {
            let count = usize::try_from(count).unwrap_or_else(|_| length(text));
            String::from_utf8_lossy(std::slice::from_raw_parts(text, count)).into_owned()
        };
        if a.is_null() || b.is_null() {
            return crate::error::fail(crate::error::ERROR_INVALID_PARAMETER, 0);
        }
        order(&read(a, a_length), &read(b, b_length), flags & 1 != 0) + 2
    }
    fn wsk_CompareStringW(_locale: u32, flags: u32, a: *const Wchar, a_length: i32, b: *const Wchar, b_length: i32) -> i32, 0 => {
        let read = |text: *const Wchar, count: i32| {
            text::wide_units(text, usize::try_from(count).unwrap_or_else(|_| wide_length(text)))
        };
        if a.is_null() || b.is_null() {
            return crate::error::fail(crate::error::ERROR_INVALID_PARAMETER, 0);
        }
        order(&read(a, a_length), &read(b, b_length), flags & 1 != 0) + 2
    }
    /// Both code pages are UTF-8, so the text stays as it is.
    fn wsk_CharToOemA(from: *const u8, to: *mut u8) -> i32, 0 => { i32::from(!copy(to, from, length(from), usize::MAX).is_null()) }
    fn wsk_OemToCharA(from: *const u8, to: *mut u8) -> i32, 0 => { i32::from(!copy(to, from, length(from), usize::MAX).is_null()) }
    fn wsk_CharToOemBuffA(from: *const u8, to: *mut u8, count: u32) -> i32, 0 => {
        std::ptr::copy(from, to, count as usize);
        1
    }
    fn wsk_CharUpperA(text: *mut u8) -> *mut u8, std::ptr::null_mut() => {
        if text.addr() < 0x10000 {
            // A single character instead of a pointer.
            return std::ptr::without_provenance_mut(usize::from((text.addr() as u8).to_ascii_uppercase()));
        }
        std::slice::from_raw_parts_mut(text, length(text)).make_ascii_uppercase();
        text
    }
    fn wsk_CharLowerA(text: *mut u8) -> *mut u8, std::ptr::null_mut() => {
        if text.addr() < 0x10000 {
            return std::ptr::without_provenance_mut(usize::from((text.addr() as u8).to_ascii_lowercase()));
        }
        std::slice::from_raw_parts_mut(text, length(text)).make_ascii_lowercase();
        text
    }
    fn wsk_GetSystemDefaultLCID() -> u32, LOCALE => { LOCALE }
    fn wsk_GetUserDefaultLCID() -> u32, LOCALE => { LOCALE }
    fn wsk_GetUserDefaultLangID() -> u16, LOCALE as u16 => { LOCALE as u16 }
    fn wsk_GetSystemDefaultLangID() -> u16, LOCALE as u16 => { LOCALE as u16 }
    fn wsk_MulDiv(number: i32, numerator: i32, denominator: i32) -> i32, -1 => {
        if denominator == 0 {
            return -1;
        }
        let product = i64::from(number) * i64::from(numerator);
        let half = i64::from(denominator.unsigned_abs()) / 2;
        let rounded = if (product < 0) == (denominator < 0) {
            (product.abs() + half) / i64::from(denominator).abs()
        } else {
            -((product.abs() + half) / i64::from(denominator).abs())
        };
        i32::try_from(rounded).unwrap_or(-1)
    }
}
