//! Full paths, and where temporary files are.

use std::ffi::{OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::ptr;

use super::errors::code_with;
use super::path::{narrow, wide};
use crate::abi::{Dword, Wchar};
use crate::around::os_text::{from_a, from_w, give_a, give_w, units};
use crate::error::{ERROR_FILE_EXISTS, ERROR_INVALID_PARAMETER, fail};

const MAX_PATH: u32 = 260;
/// Names tried for a temporary file.
const MOST_TRIES: u32 = 65536;

/// An absolute path without `.` and `..`, with backslashes, as programs look for them. Nothing
/// needs to exist.
fn full(path: &Path) -> OsString {
    let start = if path.is_absolute() { PathBuf::new() } else { std::env::current_dir().unwrap_or_default() };
    let mut full = PathBuf::from("/");
    for part in start.join(path).components() {
        match part {
            Component::Normal(name) => full.push(name),
            Component::ParentDir => drop(full.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let slashes = full.into_os_string().into_vec();
    OsString::from_vec(slashes.into_iter().map(|byte| if byte == b'/' { b'\\' } else { byte }).collect())
}

/// How many units come before the last part of a path; `None` if it has none.
fn before_name(path: &[u8]) -> Option<usize> {
    let slash = path.iter().rposition(|byte| *byte == b'\\')?;
    (slash + 1 < path.len()).then_some(slash + 1)
}

/// The folder for temporary files, with a slash at its end.
fn temporary() -> PathBuf {
    std::env::temp_dir().join("")
}

/// The name of a temporary file. If `unique` is 0, the file is made.
fn temporary_file(folder: PathBuf, prefix: &OsStr, unique: u32) -> Result<(PathBuf, u32), u32> {
    let prefix: String = prefix.to_string_lossy().chars().take(3).collect();
    let named = |number: u32| folder.join(format!("{prefix}{number:X}.tmp"));
    if unique != 0 {
        return Ok((named(unique & 0xFFFF), unique & 0xFFFF));
    }
    let start = std::process::id();
    for tried in 0..MOST_TRIES {
        let number = start.wrapping_add(tried) & 0xFFFF;
        let path = named(number);
        match std::fs::File::create_new(&path) {
            Ok(_) if number != 0 => return Ok((path, number)),
            Ok(_) => drop(std::fs::remove_file(&path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(code_with(&error, &path)),
        }
    }
    Err(ERROR_FILE_EXISTS)
}

export! {
    fn wsk_GetFullPathNameA(
        name: *const c_char, size: Dword, buffer: *mut c_char, part: *mut *mut c_char,
    ) -> Dword, 0 => {
        let path = match narrow(name) {
            Ok(path) => full(&path),
            Err(code) => return fail(code, 0),
        };
        let length = give_a(&path, buffer, size);
        if !part.is_null() {
            let at = before_name(path.as_bytes()).filter(|_| length < size && !buffer.is_null());
            part.write(at.map_or(ptr::null_mut(), |at| buffer.add(at)));
        }
        length
    }

    fn wsk_GetFullPathNameW(
        name: *const Wchar, size: Dword, buffer: *mut Wchar, part: *mut *mut Wchar,
    ) -> Dword, 0 => {
        let path = match wide(name) {
            Ok(path) => full(&path),
            Err(code) => return fail(code, 0),
        };
        let length = give_w(&path, buffer, size);
        if !part.is_null() {
            let text = units(&path);
            let slash = text.iter().rposition(|unit| *unit == u32::from(b'\\')).map(|at| at + 1);
            let at = slash.filter(|at| *at < text.len() && length < size && !buffer.is_null());
            part.write(at.map_or(ptr::null_mut(), |at| buffer.add(at)));
        }
        length
    }

    fn wsk_GetTempPathA(size: Dword, buffer: *mut c_char) -> Dword, 0 => {
        give_a(temporary().as_os_str(), buffer, size)
    }

    fn wsk_GetTempPathW(size: Dword, buffer: *mut Wchar) -> Dword, 0 => {
        give_w(temporary().as_os_str(), buffer, size)
    }

    fn wsk_GetTempFileNameA(
        folder: *const c_char, prefix: *const c_char, unique: u32, name: *mut c_char,
    ) -> u32, 0 => {
        let (Ok(folder), Some(prefix)) = (narrow(folder), from_a(prefix)) else {
            return fail(ERROR_INVALID_PARAMETER, 0);
        };
        match temporary_file(folder, &prefix, unique) {
            Ok((path, number)) => {
                give_a(path.as_os_str(), name, MAX_PATH);
                number
            }
            Err(code) => fail(code, 0),
        }
    }

    fn wsk_GetTempFileNameW(
        folder: *const Wchar, prefix: *const Wchar, unique: u32, name: *mut Wchar,
    ) -> u32, 0 => {
        let (Ok(folder), Some(prefix)) = (wide(folder), from_w(prefix)) else {
            return fail(ERROR_INVALID_PARAMETER, 0);
        };
        match temporary_file(folder, &prefix, unique) {
            Ok((path, number)) => {
                give_w(path.as_os_str(), name, MAX_PATH);
                number
            }
            Err(code) => fail(code, 0),
        }
    }
}
