//! The Win32 codes of the system's errors with files.

use std::io;
use std::path::Path;

use crate::error::{
    ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE, ERROR_BUSY, ERROR_DIR_NOT_EMPTY, ERROR_DISK_FULL, ERROR_FILE_EXISTS,
    ERROR_FILE_NOT_FOUND, ERROR_FILENAME_EXCED_RANGE, ERROR_GEN_FAILURE, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER,
    ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_SAME_DEVICE, ERROR_PATH_NOT_FOUND, ERROR_TOO_MANY_OPEN_FILES,
    ERROR_WRITE_PROTECT,
};

/// The code of an error.
pub(crate) fn code_of(error: &io::Error) -> u32 {
    match error.raw_os_error().unwrap_or_default() {
        libc::ENOENT => ERROR_FILE_NOT_FOUND,
        libc::ENOTDIR => ERROR_PATH_NOT_FOUND,
        libc::EACCES | libc::EPERM | libc::EISDIR | libc::ETXTBSY => ERROR_ACCESS_DENIED,
        libc::EEXIST => ERROR_FILE_EXISTS,
        libc::ENOTEMPTY => ERROR_DIR_NOT_EMPTY,
        libc::EMFILE | libc::ENFILE => ERROR_TOO_MANY_OPEN_FILES,
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG => ERROR_DISK_FULL,
        libc::EROFS => ERROR_WRITE_PROTECT,
        libc::EXDEV => ERROR_NOT_SAME_DEVICE,
        libc::EPIPE => ERROR_BROKEN_PIPE,
        libc::EBADF => ERROR_INVALID_HANDLE,
        libc::EINVAL | libc::ESPIPE => ERROR_INVALID_PARAMETER,
        libc::ENOMEM => ERROR_NOT_ENOUGH_MEMORY,
        libc::ENAMETOOLONG => ERROR_FILENAME_EXCED_RANGE,
        libc::EBUSY => ERROR_BUSY,
        _ => ERROR_GEN_FAILURE,
    }
}

/// The code of an error with this path: what is missing may be the folder.
pub(super) fn code_with(error: &io::Error, path: &Path) -> u32 {
    match code_of(error) {
        ERROR_FILE_NOT_FOUND => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if folder.is_some_and(|folder| !folder.is_dir()) { ERROR_PATH_NOT_FOUND } else { ERROR_FILE_NOT_FOUND }
        }
        code => code,
    }
}
