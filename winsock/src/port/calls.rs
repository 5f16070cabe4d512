//! Calls of completion ports.

use std::cell::Cell;
use std::ffi::c_uchar;
use std::sync::Arc;

use super::queue::{Packet, Port, Took};
use crate::abi::{
    Bool, Dword, FALSE, Handle, INVALID_HANDLE_VALUE, Overlapped, OverlappedEntry, TRUE, UlongPtr, contained,
};
use crate::deliver::Completion;
use crate::error::{
    ERROR_ABANDONED_WAIT_0, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, NtStatus,
    WAIT_TIMEOUT, fail, set_last,
};
use crate::handles::{self, Kept};
use crate::thread;
use crate::wait::{Until, WAIT_IO_COMPLETION};

/// Most packets that one call takes.
const MOST_ENTRIES: u32 = 65536;

fn associate(file: Handle, port: &Arc<Port>, key: usize) -> Result<(), u32> {
    let object = handles::any(file).ok_or(ERROR_INVALID_HANDLE)?;
    let completion = Completion::of(&*object).ok_or(ERROR_INVALID_HANDLE)?;
    completion.associate(port, key)
}

fn create(file: Handle, existing: Handle, key: usize, concurrency: u32) -> Result<Handle, u32> {
    if existing != 0 {
        if file == INVALID_HANDLE_VALUE {
            return Err(ERROR_INVALID_PARAMETER);
        }
        // An association that is there already is found before anything that is wrong with the
        // port.
        if handles::any(file).and_then(|file| Completion::of(&*file)).is_some_and(|file| file.has_port()) {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let port = handles::get::<Port>(existing).ok_or(ERROR_INVALID_HANDLE)?;
        associate(file, &port, key)?;
        return Ok(existing);
    }
    let port = Arc::new(Port::new(concurrency));
    if file != INVALID_HANDLE_VALUE {
        associate(file, &port, key)?;
    }
    handles::insert(port).ok_or(ERROR_NO_SYSTEM_RESOURCES)
}

thread_local! {
    /// The port that this thread took from last.
    static LAST: Cell<Option<Kept<Port>>> = const { Cell::new(None) };
}

/// Does something with the port that a handle means; `None` if it means none.
fn with_port<R>(port: Handle, work: impl FnOnce(&Arc<Port>) -> R) -> Option<R> {
    let kept = LAST.try_with(Cell::take).ok().flatten();
    let kept = Kept::find(kept, port)?;
    let result = work(kept.object());
    let _ = LAST.try_with(|last| last.set(Some(kept)));
    Some(result)
}

export! {
    fn wsk_CreateIoCompletionPort(
        file: Handle, existing: Handle, key: UlongPtr, concurrency: Dword,
    ) -> Handle, 0 => {
        create(file, existing, key, concurrency).unwrap_or_else(|code| fail(code, 0))
    }

    fn wsk_PostQueuedCompletionStatus(
        port: Handle, bytes: Dword, key: UlongPtr, overlapped: *mut Overlapped,
    ) -> Bool, FALSE => {
        let Some(port) = handles::get::<Port>(port) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        let packet = Packet { key, overlapped, bytes, status: NtStatus(0) };
        if port.post(packet) { TRUE } else { fail(ERROR_NO_SYSTEM_RESOURCES, FALSE) }
    }

    /// Not alertable.
    fn wsk_GetQueuedCompletionStatus(
        port: Handle, bytes: *mut Dword, key: *mut UlongPtr, overlapped: *mut *mut Overlapped,
        milliseconds: Dword,
    ) -> Bool, FALSE => {
        if bytes.is_null() || key.is_null() || overlapped.is_null() {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        *overlapped = std::ptr::null_mut();
        let mut status = NtStatus(0);
        let took = with_port(port, |port| {
            port.take(1, Until::milliseconds(milliseconds), false, &mut |packet| {
                *bytes = packet.bytes;
                *key = packet.key;
                *overlapped = packet.overlapped;
                status = packet.status;
            })
        });
        let Some(took) = took else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        match took {
            Took::Packets(_) if status.is_success() => TRUE,
            Took::Packets(_) => fail(status.win32(), FALSE),
            Took::TimedOut | Took::Alerted => fail(WAIT_TIMEOUT, FALSE),
            Took::Closed => fail(ERROR_ABANDONED_WAIT_0, FALSE),
        }
    }

    /// What was set cannot be taken back.
    fn wsk_SetFileCompletionNotificationModes(file: Handle, flags: c_uchar) -> Bool, FALSE => {
        let Some(object) = handles::any(file) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        let Some(completion) = Completion::of(&*object) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        match completion.add_modes(flags) {
            Ok(()) => TRUE,
            Err(code) => fail(code, FALSE),
        }
    }
}

/// The outcome of a wait for several packets, before any routine runs.
enum Outcome {
    Taken,
    RunApcs,
    Failed,
}

/// # Safety
/// `entries` points to `count` entries, and `removed` to where their number is written.
unsafe fn take_several(
    port: Handle,
    entries: *mut OverlappedEntry,
    count: Dword,
    removed: *mut Dword,
    milliseconds: Dword,
    alertable: bool,
) -> Outcome {
    if entries.is_null() || count == 0 || removed.is_null() {
        return fail(ERROR_INVALID_PARAMETER, Outcome::Failed);
    }
    let (most, until) = (count.min(MOST_ENTRIES) as usize, Until::milliseconds(milliseconds));
    let mut next = 0;
    let took = with_port(port, |port| {
        port.take(most, until, alertable, &mut |packet| {
            let Packet { key, overlapped, bytes, status } = packet;
            let entry = OverlappedEntry { key, overlapped, internal: status.0 as usize, bytes };
            // SAFETY: no more are given than there is room for.
            unsafe { entries.add(next).write(entry) };
            next += 1;
        })
    });
    let Some(took) = took else { return fail(ERROR_INVALID_HANDLE, Outcome::Failed) };
    // SAFETY: as the caller promises. Without a packet there is 1, as on Windows.
    unsafe { *removed = next.max(1) as u32 };
    match took {
        Took::Packets(_) => Outcome::Taken,
        Took::TimedOut => fail(WAIT_TIMEOUT, Outcome::Failed),
        Took::Closed => fail(ERROR_ABANDONED_WAIT_0, Outcome::Failed),
        Took::Alerted => Outcome::RunApcs,
    }
}

export_unwind! {
    fn wsk_GetQueuedCompletionStatusEx(
        port: Handle, entries: *mut OverlappedEntry, count: Dword, removed: *mut Dword,
        milliseconds: Dword, alertable: Bool,
    ) -> Bool => {
        let take = || take_several(port, entries, count, removed, milliseconds, alertable != 0);
        match contained(take, || Outcome::Failed) {
            Outcome::Taken => TRUE,
            Outcome::Failed => FALSE,
            Outcome::RunApcs => {
                thread::run_apcs();
                set_last(WAIT_IO_COMPLETION);
                FALSE
            }
        }
    }
}
