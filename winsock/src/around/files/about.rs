//! Attributes of files.

use std::ffi::c_char;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::errors::code_with;
use super::path::{narrow, wide};
use crate::abi::{Bool, Dword, FALSE, TRUE, Wchar};
use crate::error::fail;

/// `INVALID_FILE_ATTRIBUTES`
const INVALID: Dword = u32::MAX;
const READONLY: Dword = 1;
const HIDDEN: Dword = 2;
const DIRECTORY: Dword = 0x10;
const ARCHIVE: Dword = 0x20;

/// The attributes of what has this name.
pub(super) fn attributes(path: &Path, data: &Metadata) -> Dword {
    let kind = if data.is_dir() { DIRECTORY } else { ARCHIVE };
    let readonly = if data.permissions().mode() & 0o222 == 0 { READONLY } else { 0 };
    let name = path.file_name().map(|name| name.as_encoded_bytes()).unwrap_or_default();
    let hidden = if name.first() == Some(&b'.') && name != b"." && name != b".." { HIDDEN } else { 0 };
    kind | readonly | hidden
}

fn get(path: Result<PathBuf, u32>) -> Dword {
    let found = path.and_then(|path| {
        let data = std::fs::metadata(&path).map_err(|error| code_with(&error, &path))?;
        Ok(attributes(&path, &data))
    });
    found.unwrap_or_else(|code| fail(code, INVALID))
}

/// Only whether the file may be written is kept.
fn set(path: Result<PathBuf, u32>, attributes: Dword) -> Bool {
    let set = path.and_then(|path| {
        let change = || {
            let mut permissions = std::fs::metadata(&path)?.permissions();
            let mode = permissions.mode();
            permissions.set_mode(if attributes & READONLY != 0 { mode & !0o222 } else { mode | 0o200 });
            std::fs::set_permissions(&path, permissions)
        };
        change().map_err(|error| code_with(&error, &path))
    });
    match set {
        Ok(()) => TRUE,
        Err(code) => fail(code, FALSE),
    }
}

export! {
    fn wsk_GetFileAttributesA(name: *const c_char) -> Dword, INVALID => { get(narrow(name)) }

    fn wsk_GetFileAttributesW(name: *const Wchar) -> Dword, INVALID => { get(wide(name)) }

    fn wsk_SetFileAttributesA(name: *const c_char, attributes: Dword) -> Bool, FALSE => {
        set(narrow(name), attributes)
    }

    fn wsk_SetFileAttributesW(name: *const Wchar, attributes: Dword) -> Bool, FALSE => {
        set(wide(name), attributes)
    }
}
