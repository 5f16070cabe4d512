//! `MultiByteToWideChar` and its reverse, over libc's `iconv` for all pages but UTF-8. The
//! program's own code page (`CP_ACP`, `CP_OEMCP`) is UTF-8 here.

use super::text;
use crate::abi::Wchar;
use crate::error::{
    ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_FLAGS, ERROR_INVALID_PARAMETER, ERROR_NO_UNICODE_TRANSLATION, fail,
};
use std::ffi::{CString, c_char, c_void};

const UTF8: u32 = 65001;
const ERR_INVALID_CHARS: u32 = 0x8;
const WC_ERR_INVALID_CHARS: u32 = 0x80;

/// `None` for UTF-8, else iconv's name.
fn name_of(page: u32) -> Result<Option<&'static str>, u32> {
    Ok(Some(match page {
        0..=3 | UTF8 => return Ok(None),
        437 => "CP437",
        850 => "CP850",
        866 => "CP866",
        874 => "CP874",
        932 => "CP932",
        936 => "GBK",
        949 => "CP949",
        950 => "CP950",
        1250 => "CP1250",
        1251 => "CP1251",
        1252 => "CP1252",
        1253 => "CP1253",
        1254 => "CP1254",
        1255 => "CP1255",
        1256 => "CP1256",
        1257 => "CP1257",
        1258 => "CP1258",
        1361 => "JOHAB",
        20127 => "ASCII",
        20866 => "KOI8-R",
        28591 => "ISO-8859-1",
        28605 => "ISO-8859-15",
        51932 => "EUC-JP",
        51949 => "EUC-KR",
        54936 => "GB18030",
        65000 => "UTF-7",
        _ => return Err(ERROR_INVALID_PARAMETER),
    }))
}

unsafe extern "C" {
    fn iconv_open(to: *const c_char, from: *const c_char) -> *mut c_void;
    fn iconv(
        descriptor: *mut c_void,
        input: *mut *mut c_char,
        left: *mut usize,
        output: *mut *mut c_char,
        room: *mut usize,
    ) -> usize;
    fn iconv_close(descriptor: *mut c_void) -> i32;
}

/// Converts all of `bytes`; each that has no meaning becomes `instead` and is counted.
fn convert(to: &str, from: &str, bytes: &[u8], instead: &[u8], unit: usize) -> Result<(Vec<u8>, usize), u32> {
    let (Ok(to), Ok(from)) = (CString::new(to), CString::new(from)) else { return Err(ERROR_INVALID_PARAMETER) };
    // SAFETY: both names end with a zero.
    let descriptor = unsafe { iconv_open(to.as_ptr(), from.as_ptr()) };
    if descriptor.addr() == usize::MAX {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut output = vec![0u8; bytes.len() * 4 + instead.len() + 16];
    let (mut at, mut written, mut bad) = (0, 0, 0);
    while at < bytes.len() {
        if output.len() - written < 16 + instead.len() {
            output.resize(output.len() * 2, 0);
        }
        let mut input = bytes[at..].as_ptr().cast_mut().cast::<c_char>();
        let mut left = bytes.len() - at;
        let mut target = output[written..].as_mut_ptr().cast::<c_char>();
        let before = output.len() - written;
        let mut room = before;
        // SAFETY: both pointers are good for the lengths; iconv does not write its input.
        let failed = unsafe { iconv(descriptor, &mut input, &mut left, &mut target, &mut room) } == usize::MAX;
        let progressed = written;
        written += before - room;
        at = bytes.len() - left;
        let full = failed && std::io::Error::last_os_error().raw_os_error() == Some(libc::E2BIG);
        if failed && at < bytes.len() && !(full && written > progressed) {
            output[written..written + instead.len()].copy_from_slice(instead);
            written += instead.len();
            at = (at + unit).min(bytes.len());
            bad += 1;
        }
    }
    // SAFETY: opened above, closed once.
    unsafe { iconv_close(descriptor) };
    output.truncate(written);
    Ok((output, bad))
}

/// The text of `bytes` in a code page; with `strict`, an error for what has no meaning.
pub fn decode(page: u32, bytes: &[u8], strict: bool) -> Result<String, u32> {
    let Some(name) = name_of(page)? else {
        return match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) if strict => Err(ERROR_NO_UNICODE_TRANSLATION),
            Err(_) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        };
    };
    let (utf8, bad) = convert("UTF-8", name, bytes, "\u{fffd}".as_bytes(), 1)?;
    if strict && bad > 0 {
        return Err(ERROR_NO_UNICODE_TRANSLATION);
    }
    Ok(String::from_utf8_lossy(&utf8).into_owned())
}

/// The bytes of wide characters in a code page, and whether `instead` was needed.
fn encode(page: u32, units: &[Wchar], instead: &[u8], strict: bool) -> Result<(Vec<u8>, bool), u32> {
    if strict && units.iter().any(|unit| char::from_u32(*unit).is_none()) {
        return Err(ERROR_NO_UNICODE_TRANSLATION);
    }
    let Some(name) = name_of(page)? else {
        let text: String = units.iter().map(|u| char::from_u32(*u).unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        return Ok((text.into_bytes(), false));
    };
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let (encoded, bad) = convert(name, "UCS-4LE", &bytes, instead, 4)?;
    Ok((encoded, bad > 0))
}

/// The documented end of both calls: count, or write if it fits.
///
/// # Safety
/// `buffer` has room for `size` units.
unsafe fn deliver<T: Copy>(units: &[T], buffer: *mut T, size: i32) -> i32 {
    let Ok(count) = i32::try_from(units.len()) else { return fail(ERROR_INVALID_PARAMETER, 0) };
    if size == 0 {
        return count;
    }
    if size < 0 || buffer.is_null() {
        return fail(ERROR_INVALID_PARAMETER, 0);
    }
    // SAFETY: no more than `size`.
    unsafe { std::ptr::copy_nonoverlapping(units.as_ptr(), buffer, units.len().min(size as usize)) };
    if count > size { fail(ERROR_INSUFFICIENT_BUFFER, 0) } else { count }
}

export! {
    fn wsk_MultiByteToWideChar(page: u32, flags: u32, source: *const u8, length: i32, buffer: *mut Wchar, size: i32) -> i32, 0 => {
        if source.is_null() || length == 0 || length < -1 {
            return fail(ERROR_INVALID_PARAMETER, 0);
        }
        if page == UTF8 && flags & !ERR_INVALID_CHARS != 0 {
            return fail(ERROR_INVALID_FLAGS, 0);
        }
        let count = if length == -1 { libc::strlen(source.cast()) + 1 } else { length as usize };
        match decode(page, std::slice::from_raw_parts(source, count), flags & ERR_INVALID_CHARS != 0) {
            Ok(text) => deliver(&text::to_wide(&text), buffer, size),
            Err(error) => fail(error, 0),
        }
    }
    fn wsk_WideCharToMultiByte(page: u32, flags: u32, source: *const Wchar, length: i32, buffer: *mut u8, size: i32, default: *const u8, used: *mut i32) -> i32, 0 => {
        if source.is_null() || length == 0 || length < -1 || (page == UTF8 && (!default.is_null() || !used.is_null())) {
            return fail(ERROR_INVALID_PARAMETER, 0);
        }
        let count = if length == -1 { text::wide_length(source) + 1 } else { length as usize };
        let instead = if default.is_null() { b"?".to_vec() } else { vec![default.read()] };
        match encode(page, std::slice::from_raw_parts(source, count), &instead, flags & WC_ERR_INVALID_CHARS != 0) {
            Ok((bytes, defaulted)) => {
                if !used.is_null() {
                    used.write_unaligned(i32::from(defaulted));
                }
                deliver(&bytes, buffer, size)
            }
            Err(error) => fail(error, 0),
        }
    }
    fn wsk_GetACP() -> u32, UTF8 => { UTF8 }
    fn wsk_GetOEMCP() -> u32, UTF8 => { UTF8 }
    fn wsk_IsValidCodePage(page: u32) -> i32, 0 => { i32::from(name_of(page).is_ok()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_both_ways() {
        let units = text::to_wide("가a");
        let (bytes, defaulted) = encode(949, &units, b"?", false).expect("CP949 is known");
        assert_eq!((bytes.as_slice(), defaulted), (&b"\xb0\xa1a"[..], false));
        assert_eq!(decode(949, &bytes, true).as_deref(), Ok("가a"));
        assert_eq!(encode(1252, &units, b"?", false).expect("known"), (b"?a".to_vec(), true));
    }

    #[test]
    fn what_has_no_meaning() {
        assert_eq!(decode(UTF8, b"\xff", true), Err(ERROR_NO_UNICODE_TRANSLATION));
        assert_eq!(decode(UTF8, b"a\xff", false).as_deref(), Ok("a\u{fffd}"));
        assert_eq!(decode(949, b"\xff", true), Err(ERROR_NO_UNICODE_TRANSLATION));
        assert_eq!(decode(123_456, b"a", false), Err(ERROR_INVALID_PARAMETER));
    }
}
