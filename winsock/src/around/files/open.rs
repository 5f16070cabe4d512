//! `CreateFile`, and what an open file is.

use std::any::Any;
use std::ffi::{c_char, c_void};
use std::fs::OpenOptions;
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::errors::code_with;
use super::path::{narrow, wide};
use crate::abi::{Dword, Handle, INVALID_HANDLE_VALUE, Wchar};
use crate::deliver::Completion;
use crate::error::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, NO_ERROR, fail,
    set_last,
};
use crate::handles::{self, Header, Object};
use crate::wait::Signal;

/// An open file, or a standard stream.
pub(crate) struct File {
    header: Header,
    fd: RawFd,
    /// Whether the descriptor is closed with the file: those of standard streams are not.
    owned: bool,
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// Every write goes to the end.
    pub(super) appends: bool,
    /// Opened with `FILE_FLAG_OVERLAPPED`: it has no position.
    pub(super) overlapped: bool,
    pub(super) completion: Arc<Completion>,
    removed_at_close: Option<PathBuf>,
}

impl File {
    fn new(fd: RawFd, overlapped: bool) -> File {
        let completion = if overlapped { Completion::new() } else { Completion::without_overlapped() };
        File {
            header: Header::new(),
            fd,
            owned: true,
            reads: true,
            writes: true,
            appends: false,
            overlapped,
            completion,
            removed_at_close: None,
        }
    }

    /// A standard stream, whose descriptor stays open.
    pub(crate) fn standard(fd: RawFd) -> File {
        let mut file = File::new(fd, false);
        file.owned = false;
        file
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Whether what is open has a position: a regular file, not a pipe or terminal.
    pub(super) fn is_regular(&self) -> bool {
        // SAFETY: the status is written by the call.
        unsafe {
            let mut status = std::mem::zeroed::<libc::stat>();
            libc::fstat(self.fd, &raw mut status) == 0 && status.st_mode & libc::S_IFMT == libc::S_IFREG
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: the descriptor is this file's, and nobody uses it any more.
            unsafe { libc::close(self.fd) };
        }
    }
}

impl Object for File {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        Some(self.completion.signal())
    }

    fn completion(&self) -> Option<&dyn Any> {
        Some(&self.completion)
    }

    fn descriptor(&self) -> Option<RawFd> {
        Some(self.fd)
    }

    fn last_handle_closed(self: Arc<File>) {
        if let Some(path) = &self.removed_at_close {
            let _ = std::fs::remove_file(path);
        }
    }
}

const GENERIC_READ: u32 = 0x8000_0000;
const GENERIC_WRITE: u32 = 0x4000_0000;
const GENERIC_EXECUTE: u32 = 0x2000_0000;
const GENERIC_ALL: u32 = 0x1000_0000;
const FILE_READ_DATA: u32 = 1;
const FILE_WRITE_DATA: u32 = 2;
const FILE_APPEND_DATA: u32 = 4;

const CREATE_NEW: u32 = 1;
const CREATE_ALWAYS: u32 = 2;
const OPEN_EXISTING: u32 = 3;
const OPEN_ALWAYS: u32 = 4;
const TRUNCATE_EXISTING: u32 = 5;

const FILE_FLAG_WRITE_THROUGH: u32 = 0x8000_0000;
const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const FILE_ATTRIBUTE_READONLY: u32 = 1;

/// Opens a file; with it, what the thread's error is then.
fn open(path: &Path, access: u32, disposition: u32, flags: u32) -> Result<(File, u32), u32> {
    let reads = access & (GENERIC_READ | GENERIC_ALL | GENERIC_EXECUTE | FILE_READ_DATA) != 0;
    let appends = access & FILE_APPEND_DATA != 0 && access & (GENERIC_WRITE | GENERIC_ALL | FILE_WRITE_DATA) == 0;
    let writes = appends || access & (GENERIC_WRITE | GENERIC_ALL | FILE_WRITE_DATA) != 0;
    let is_folder = path.is_dir();
    if is_folder && flags & FILE_FLAG_BACKUP_SEMANTICS == 0 {
        return Err(ERROR_ACCESS_DENIED);
    }
    let existed = path.exists();
    let mut options = OpenOptions::new();
    // One that may neither read nor write can still be asked about.
    options.read(reads || !writes).write(writes && !is_folder);
    let creates = matches!(disposition, CREATE_NEW | CREATE_ALWAYS | OPEN_ALWAYS);
    let truncates = matches!(disposition, CREATE_ALWAYS | TRUNCATE_EXISTING);
    if !creates && !matches!(disposition, OPEN_EXISTING | TRUNCATE_EXISTING)
        || disposition == TRUNCATE_EXISTING && !writes
    {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut system = libc::O_CLOEXEC | libc::O_NOCTTY;
    // Not through the options: these create and truncate only what may be written.
    if creates && !is_folder {
        system |= libc::O_CREAT;
    }
    if disposition == CREATE_NEW {
        system |= libc::O_EXCL;
    }
    if truncates && !is_folder {
        system |= libc::O_TRUNC;
    }
    if flags & FILE_FLAG_WRITE_THROUGH != 0 {
        system |= libc::O_DSYNC;
    }
    let mode = if flags & FILE_ATTRIBUTE_READONLY != 0 { 0o444 } else { 0o666 };
    let opened = options.custom_flags(system).mode(mode).open(path).map_err(|error| code_with(&error, path))?;
    let mut file = File::new(opened.into_raw_fd(), flags & FILE_FLAG_OVERLAPPED != 0);
    (file.reads, file.writes, file.appends) = (reads, writes, appends);
    file.removed_at_close = (flags & FILE_FLAG_DELETE_ON_CLOSE != 0).then(|| path.to_owned());
    let found = existed && matches!(disposition, CREATE_ALWAYS | OPEN_ALWAYS);
    Ok((file, if found { ERROR_ALREADY_EXISTS } else { NO_ERROR }))
}

fn create(path: Result<PathBuf, u32>, access: Dword, disposition: Dword, flags: Dword) -> Handle {
    match path.and_then(|path| open(&path, access, disposition, flags)) {
        Ok((file, code)) => match handles::insert(Arc::new(file)) {
            Some(handle) => {
                set_last(code);
                handle
            }
            None => fail(ERROR_NO_SYSTEM_RESOURCES, INVALID_HANDLE_VALUE),
        },
        Err(code) => fail(code, INVALID_HANDLE_VALUE),
    }
}

export! {
    /// What others may do with the file meanwhile is not restricted.
    fn wsk_CreateFileA(
        name: *const c_char, access: Dword, _share: Dword, _security: *mut c_void,
        disposition: Dword, flags: Dword, _template: Handle,
    ) -> Handle, INVALID_HANDLE_VALUE => {
        create(narrow(name), access, disposition, flags)
    }

    fn wsk_CreateFileW(
        name: *const Wchar, access: Dword, _share: Dword, _security: *mut c_void,
        disposition: Dword, flags: Dword, _template: Handle,
    ) -> Handle, INVALID_HANDLE_VALUE => {
        create(wide(name), access, disposition, flags)
    }
}
