//! A list of the threads of this process: `CreateToolhelp32Snapshot`.

use std::sync::{Arc, Mutex, PoisonError};

use crate::abi::{Bool, Dword, FALSE, Handle, INVALID_HANDLE_VALUE, TRUE};
use crate::error::{ERROR_BAD_LENGTH, ERROR_INVALID_HANDLE, ERROR_NO_MORE_FILES, ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles::{self, Header, Object};
use crate::thread;

/// `THREADENTRY32`
#[repr(C)]
pub struct ThreadEntry {
    size: Dword,
    usage: Dword,
    thread: Dword,
    process: Dword,
    priority: i32,
    priority_change: i32,
    flags: Dword,
}

const TH32CS_SNAPTHREAD: Dword = 4;

struct Snapshot {
    header: Header,
    threads: Vec<u32>,
    next: Mutex<usize>,
}

impl Object for Snapshot {
    fn header(&self) -> &Header {
        &self.header
    }
}

/// # Safety
/// `entry` points to an entry whose size is set.
unsafe fn give(snapshot: Handle, entry: *mut ThreadEntry, first: bool) -> Bool {
    let Some(snapshot) = handles::get::<Snapshot>(snapshot) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
    // SAFETY: as the caller promises.
    let size = unsafe { (*entry).size };
    if (size as usize) < size_of::<ThreadEntry>() {
        return fail(ERROR_BAD_LENGTH, FALSE);
    }
    let mut next = snapshot.next.lock().unwrap_or_else(PoisonError::into_inner);
    if first {
        *next = 0;
    }
    let Some(thread) = snapshot.threads.get(*next) else { return fail(ERROR_NO_MORE_FILES, FALSE) };
    *next += 1;
    let filled = ThreadEntry {
        size,
        usage: 0,
        thread: *thread,
        process: std::process::id(),
        priority: 8,
        priority_change: 0,
        flags: 0,
    };
    // SAFETY: as the caller promises.
    unsafe { entry.write(filled) };
    TRUE
}

export! {
    /// Only threads are listed, and only those of this process.
    fn wsk_CreateToolhelp32Snapshot(flags: Dword, _process: Dword) -> Handle, INVALID_HANDLE_VALUE => {
        let threads = if flags & TH32CS_SNAPTHREAD != 0 { thread::ids() } else { Vec::new() };
        let snapshot = Snapshot { header: Header::new(), threads, next: Mutex::new(0) };
        handles::insert(Arc::new(snapshot)).unwrap_or_else(|| fail(ERROR_NO_SYSTEM_RESOURCES, INVALID_HANDLE_VALUE))
    }

    fn wsk_Thread32First(snapshot: Handle, entry: *mut ThreadEntry) -> Bool, FALSE => { give(snapshot, entry, true) }

    fn wsk_Thread32Next(snapshot: Handle, entry: *mut ThreadEntry) -> Bool, FALSE => { give(snapshot, entry, false) }
}
