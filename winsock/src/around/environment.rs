//! Variables, the current folder, the command line. Paths are given out with backslashes, which the
//! programs look for, and taken with either.

use super::text;
use crate::abi::Wchar;
use crate::error::{ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_PATH_NOT_FOUND, fail};
use std::ffi::CString;
use std::sync::OnceLock;

/// `ERROR_ENVVAR_NOT_FOUND`.
const NO_VARIABLE: u32 = 203;

/// A path as Linux has it: forward slashes, without a drive.
pub fn to_linux(path: &str) -> String {
    let path = path.strip_prefix("\\\\?\\").unwrap_or(path).replace('\\', "/");
    match path.as_bytes() {
        [drive, b':', b'/', ..] if drive.is_ascii_alphabetic() => path[2..].to_owned(),
        _ => path,
    }
}

/// A path as Windows programs take it apart.
pub fn to_windows(path: &str) -> String {
    path.replace('/', "\\")
}

/// libc's own table: what C sees with `getenv`.
fn get(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: a string that ends with a zero; the answer is copied at once.
    unsafe { text::narrow(libc::getenv(name.as_ptr()).cast()) }
}

fn set(name: Option<String>, value: Option<String>) -> i32 {
    let Some(name) = name.filter(|name| !name.is_empty() && !name.contains('=')) else {
        return fail(ERROR_INVALID_PARAMETER, 0);
    };
    let Ok(name) = CString::new(name) else { return fail(ERROR_INVALID_PARAMETER, 0) };
    let result = match value.map(CString::new) {
        // SAFETY: strings that end with a zero.
        Some(Ok(value)) => unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) },
        Some(Err(_)) => return fail(ERROR_INVALID_PARAMETER, 0),
        // SAFETY: likewise.
        None => unsafe { libc::unsetenv(name.as_ptr()) },
    };
    i32::from(result == 0)
}

fn folder() -> Option<String> {
    Some(to_windows(&std::env::current_dir().ok()?.to_string_lossy()))
}

fn change_folder(path: Option<String>) -> i32 {
    let Some(path) = path else { return fail(ERROR_INVALID_PARAMETER, 0) };
    match std::env::set_current_dir(to_linux(&path)) {
        Ok(()) => 1,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fail(ERROR_FILE_NOT_FOUND, 0),
        Err(_) => fail(ERROR_PATH_NOT_FOUND, 0),
    }
}

/// The arguments as one line: quoted where they have blanks.
fn command_line() -> &'static str {
    static LINE: OnceLock<String> = OnceLock::new();
    LINE.get_or_init(|| {
        let bytes = std::fs::read("/proc/self/cmdline").unwrap_or_default();
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let quoted: Vec<String> = words
            .map(|word| {
                let word = String::from_utf8_lossy(word);
                if word.contains([' ', '\t']) {
                    format!("\"{}\"", word.replace('"', "\\\""))
                } else {
                    word.into_owned()
                }
            })
            .collect();
        quoted.join(" ")
    })
}

export! {
    fn wsk_GetEnvironmentVariableA(name: *const u8, buffer: *mut u8, size: u32) -> u32, 0 => {
        match text::narrow(name).and_then(|name| get(&name)) {
            Some(value) => text::all_or_size(value.as_bytes(), buffer, size),
            None => fail(NO_VARIABLE, 0),
        }
    }
    fn wsk_GetEnvironmentVariableW(name: *const Wchar, buffer: *mut Wchar, size: u32) -> u32, 0 => {
        match text::wide(name).and_then(|name| get(&name)) {
            Some(value) => text::all_or_size(&text::to_wide(&value), buffer, size),
            None => fail(NO_VARIABLE, 0),
        }
    }
    fn wsk_SetEnvironmentVariableA(name: *const u8, value: *const u8) -> i32, 0 => { set(text::narrow(name), text::narrow(value)) }
    fn wsk_SetEnvironmentVariableW(name: *const Wchar, value: *const Wchar) -> i32, 0 => { set(text::wide(name), text::wide(value)) }
    fn wsk_GetCurrentDirectoryA(size: u32, buffer: *mut u8) -> u32, 0 => {
        match folder() {
            Some(folder) => text::all_or_size(folder.as_bytes(), buffer, size),
            None => fail(ERROR_PATH_NOT_FOUND, 0),
        }
    }
    fn wsk_GetCurrentDirectoryW(size: u32, buffer: *mut Wchar) -> u32, 0 => {
        match folder() {
            Some(folder) => text::all_or_size(&text::to_wide(&folder), buffer, size),
            None => fail(ERROR_PATH_NOT_FOUND, 0),
        }
    }
    fn wsk_SetCurrentDirectoryA(path: *const u8) -> i32, 0 => { change_folder(text::narrow(path)) }
    fn wsk_SetCurrentDirectoryW(path: *const Wchar) -> i32, 0 => { change_folder(text::wide(path)) }
    fn wsk_GetCommandLineA() -> *const u8, std::ptr::null() => {
        static LINE: OnceLock<CString> = OnceLock::new();
        LINE.get_or_init(|| CString::new(command_line()).unwrap_or_default()).as_ptr().cast()
    }
    fn wsk_GetCommandLineW() -> *const Wchar, std::ptr::null() => {
        static LINE: OnceLock<Vec<Wchar>> = OnceLock::new();
        LINE.get_or_init(|| text::to_wide(&format!("{}\0", command_line()))).as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_both_systems() {
        assert_eq!(to_linux("C:\\logs\\a.txt"), "/logs/a.txt");
        assert_eq!(to_linux("\\\\?\\C:\\a"), "/a");
        assert_eq!(to_linux("a\\b:c"), "a/b:c");
        assert_eq!(to_linux("c:"), "c:");
        assert_eq!(to_windows("/home/x"), "\\home\\x");
    }
}
