//! Parts of paths: `PathFindExtension` and its neighbours. They work on the program's text.

use std::ffi::c_char;
use std::ptr;

use super::path::{narrow, wide};
use crate::abi::{Bool, FALSE, TRUE, Wchar};
use crate::error::fail;

/// `FILE_ATTRIBUTE_DIRECTORY`: what `PathIsDirectory` returns.
const DIRECTORY: Bool = 0x10;

/// One unit of text.
trait Unit: Copy {
    fn code(self) -> u32;
}

impl Unit for c_char {
    fn code(self) -> u32 {
        u32::from(self as u8)
    }
}

impl Unit for Wchar {
    fn code(self) -> u32 {
        self
    }
}

fn is_slash(code: u32) -> bool {
    code == u32::from(b'/') || code == u32::from(b'\\')
}

/// Where the last part begins, where its extension does, and where the text ends.
///
/// # Safety
/// `path` is the start of a text with an end.
unsafe fn places<U: Unit>(path: *mut U) -> (usize, Option<usize>, usize) {
    let (mut name, mut dot) = (0, None);
    for at in 0.. {
        // SAFETY: as the caller promises, and the end has not been reached.
        match unsafe { path.add(at).read() }.code() {
            0 => return (name, dot, at),
            code if is_slash(code) => {
                // A slash at the end belongs to the last part.
                // SAFETY: the end comes after this unit.
                let next = unsafe { path.add(at + 1).read() }.code();
                if next != 0 && !is_slash(next) {
                    (name, dot) = (at + 1, None);
                }
            }
            code if code == u32::from(b'.') => dot = Some(at),
            code if code == u32::from(b' ') => dot = None,
            _ => {}
        }
    }
    (name, dot, 0)
}

/// # Safety
/// `path` is null or the start of a text with an end.
unsafe fn extension<U: Unit>(path: *mut U) -> *mut U {
    if path.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: as the caller promises.
    unsafe {
        let (_, dot, end) = places(path);
        path.add(dot.unwrap_or(end))
    }
}

/// # Safety
/// As above.
unsafe fn file_name<U: Unit>(path: *mut U) -> *mut U {
    if path.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: as the caller promises.
    unsafe { path.add(places(path).0) }
}

/// # Safety
/// As above, and the text can be written.
unsafe fn without_name<U: Unit>(path: *mut U, end: U) -> Bool {
    if path.is_null() {
        return FALSE;
    }
    // SAFETY: as the caller promises.
    unsafe {
        let (name, _, length) = places(path);
        // Of the root, the slash stays.
        let cut = if name > 1 { name - 1 } else { name };
        if cut >= length {
            return FALSE;
        }
        path.add(cut).write(end);
        TRUE
    }
}

fn exists(path: Result<std::path::PathBuf, u32>) -> Bool {
    match path.map(|path| std::fs::metadata(path).is_ok()) {
        Ok(true) => TRUE,
        Ok(false) => fail(crate::error::ERROR_FILE_NOT_FOUND, FALSE),
        Err(code) => fail(code, FALSE),
    }
}

fn is_directory(path: Result<std::path::PathBuf, u32>) -> Bool {
    if path.is_ok_and(|path| path.is_dir()) { DIRECTORY } else { FALSE }
}

export! {
    fn wsk_PathFileExistsA(path: *const c_char) -> Bool, FALSE => { exists(narrow(path)) }

    fn wsk_PathFileExistsW(path: *const Wchar) -> Bool, FALSE => { exists(wide(path)) }

    fn wsk_PathIsDirectoryA(path: *const c_char) -> Bool, FALSE => { is_directory(narrow(path)) }

    fn wsk_PathIsDirectoryW(path: *const Wchar) -> Bool, FALSE => { is_directory(wide(path)) }

    fn wsk_PathFindExtensionA(path: *mut c_char) -> *mut c_char, ptr::null_mut() => { extension(path) }

    fn wsk_PathFindExtensionW(path: *mut Wchar) -> *mut Wchar, ptr::null_mut() => { extension(path) }

    fn wsk_PathFindFileNameA(path: *mut c_char) -> *mut c_char, ptr::null_mut() => { file_name(path) }

    fn wsk_PathFindFileNameW(path: *mut Wchar) -> *mut Wchar, ptr::null_mut() => { file_name(path) }

    fn wsk_PathRemoveFileSpecA(path: *mut c_char) -> Bool, FALSE => { without_name(path, 0) }

    fn wsk_PathRemoveFileSpecW(path: *mut Wchar) -> Bool, FALSE => { without_name(path, 0) }
}
