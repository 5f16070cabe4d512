//! Making, removing, moving and copying files and directories.

use std::ffi::{c_char, c_void};
use std::io;
use std::path::{Path, PathBuf};

use super::errors::code_with;
use super::path::{narrow, wide};
use crate::abi::{Bool, Dword, FALSE, TRUE, Wchar};
use crate::error::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_DIRECTORY, ERROR_FILE_EXISTS, ERROR_NOT_SAME_DEVICE, fail,
};

const MOVEFILE_REPLACE_EXISTING: Dword = 1;
const MOVEFILE_COPY_ALLOWED: Dword = 2;

fn done(result: Result<(), u32>) -> Bool {
    match result {
        Ok(()) => TRUE,
        Err(code) => fail(code, FALSE),
    }
}

/// Does something with one path.
fn with(path: Result<PathBuf, u32>, change: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), u32> {
    let path = path?;
    change(&path).map_err(|error| code_with(&error, &path))
}

fn delete(path: Result<PathBuf, u32>) -> Result<(), u32> {
    let path = path?;
    if path.is_dir() {
        return Err(ERROR_ACCESS_DENIED);
    }
    with(Ok(path), |path| std::fs::remove_file(path))
}

fn make(path: Result<PathBuf, u32>) -> Result<(), u32> {
    with(path, |path| std::fs::create_dir(path)).map_err(|code| match code {
        ERROR_FILE_EXISTS => ERROR_ALREADY_EXISTS,
        // What is missing is the folder above.
        crate::error::ERROR_FILE_NOT_FOUND => crate::error::ERROR_PATH_NOT_FOUND,
        code => code,
    })
}

fn remove(path: Result<PathBuf, u32>) -> Result<(), u32> {
    let path = path?;
    if path.is_file() {
        return Err(ERROR_DIRECTORY);
    }
    with(Ok(path), |path| std::fs::remove_dir(path))
}

fn move_to(from: Result<PathBuf, u32>, to: Result<PathBuf, u32>, flags: Dword) -> Result<(), u32> {
    let (from, to) = (from?, to?);
    if flags & MOVEFILE_REPLACE_EXISTING == 0 && to.symlink_metadata().is_ok() {
        std::fs::metadata(&from).map_err(|error| code_with(&error, &from))?;
        return Err(ERROR_ALREADY_EXISTS);
    }
    match with(Ok(from.clone()), |from| std::fs::rename(from, &to)) {
        Err(ERROR_NOT_SAME_DEVICE) if flags & MOVEFILE_COPY_ALLOWED != 0 => {
            with(Ok(from), |from| std::fs::copy(from, &to).and_then(|_| std::fs::remove_file(from)))
        }
        moved => moved,
    }
}

fn copy(from: Result<PathBuf, u32>, to: Result<PathBuf, u32>, only_new: bool) -> Result<(), u32> {
    let (from, to) = (from?, to?);
    if only_new && to.symlink_metadata().is_ok() {
        return Err(ERROR_FILE_EXISTS);
    }
    with(Ok(from), |from| std::fs::copy(from, &to).map(drop))
}

export! {
    fn wsk_DeleteFileA(name: *const c_char) -> Bool, FALSE => { done(delete(narrow(name))) }

    fn wsk_DeleteFileW(name: *const Wchar) -> Bool, FALSE => { done(delete(wide(name))) }

    fn wsk_CreateDirectoryA(name: *const c_char, _security: *mut c_void) -> Bool, FALSE => {
        done(make(narrow(name)))
    }

    fn wsk_CreateDirectoryW(name: *const Wchar, _security: *mut c_void) -> Bool, FALSE => {
        done(make(wide(name)))
    }

    fn wsk_RemoveDirectoryA(name: *const c_char) -> Bool, FALSE => { done(remove(narrow(name))) }

    fn wsk_RemoveDirectoryW(name: *const Wchar) -> Bool, FALSE => { done(remove(wide(name))) }

    fn wsk_MoveFileA(from: *const c_char, to: *const c_char) -> Bool, FALSE => {
        done(move_to(narrow(from), narrow(to), MOVEFILE_COPY_ALLOWED))
    }

    fn wsk_MoveFileW(from: *const Wchar, to: *const Wchar) -> Bool, FALSE => {
        done(move_to(wide(from), wide(to), MOVEFILE_COPY_ALLOWED))
    }

    fn wsk_MoveFileExA(from: *const c_char, to: *const c_char, flags: Dword) -> Bool, FALSE => {
        done(move_to(narrow(from), narrow(to), flags))
    }

    fn wsk_MoveFileExW(from: *const Wchar, to: *const Wchar, flags: Dword) -> Bool, FALSE => {
        done(move_to(wide(from), wide(to), flags))
    }

    fn wsk_CopyFileA(from: *const c_char, to: *const c_char, only_new: Bool) -> Bool, FALSE => {
        done(copy(narrow(from), narrow(to), only_new != 0))
    }

    fn wsk_CopyFileW(from: *const Wchar, to: *const Wchar, only_new: Bool) -> Bool, FALSE => {
        done(copy(wide(from), wide(to), only_new != 0))
    }
}
