//! The event log, as the system's log.

use super::text;
use crate::abi::Wchar;
use crate::error::{ERROR_INVALID_HANDLE, fail};
use std::ffi::{CString, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sources that are open; a handle is the place plus one, above the handles of objects.
static SOURCES: Mutex<Vec<Option<CString>>> = Mutex::new(Vec::new());
const MAX_SOURCES: usize = 1024;
const FIRST: usize = 0x7f00_0000;

fn sources() -> MutexGuard<'static, Vec<Option<CString>>> {
    SOURCES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn register(name: Option<String>) -> usize {
    let name = CString::new(name.unwrap_or_default()).unwrap_or_default();
    let mut sources = sources();
    if let Some(free) = sources.iter().position(Option::is_none) {
        sources[free] = Some(name);
        return FIRST + free * 4;
    }
    if sources.len() == MAX_SOURCES {
        return fail(crate::error::ERROR_NOT_ENOUGH_MEMORY, 0);
    }
    sources.push(Some(name));
    FIRST + (sources.len() - 1) * 4
}

fn source(log: usize) -> Option<CString> {
    let at = log.checked_sub(FIRST).filter(|place| place % 4 == 0)? / 4;
    sources().get(at).cloned().flatten()
}

fn report(log: usize, kind: u16, id: u32, strings: Vec<String>) -> i32 {
    let Some(source) = source(log) else { return fail(ERROR_INVALID_HANDLE, 0) };
    let level = match kind {
        1 => libc::LOG_ERR,
        2 => libc::LOG_WARNING,
        _ => libc::LOG_INFO,
    };
    let line = format!("{}: event {}: {}", source.to_string_lossy(), id & 0xffff, strings.join(" "));
    let Ok(line) = CString::new(line) else { return 0 };
    // SAFETY: one string for the one %s.
    unsafe { libc::syslog(level, c"%s".as_ptr(), line.as_ptr()) };
    1
}

export! {
    fn wsk_RegisterEventSourceA(_server: *const u8, name: *const u8) -> usize, 0 => { register(text::narrow(name)) }
    fn wsk_RegisterEventSourceW(_server: *const Wchar, name: *const Wchar) -> usize, 0 => { register(text::wide(name)) }
    fn wsk_DeregisterEventSource(log: usize) -> i32, 0 => {
        if source(log).is_none() {
            return fail(ERROR_INVALID_HANDLE, 0);
        }
        sources()[(log - FIRST) / 4] = None;
        1
    }
    fn wsk_ReportEventA(log: usize, kind: u16, _category: u16, id: u32, _user: *mut c_void, count: u16, _size: u32, strings: *const *const u8, _data: *mut c_void) -> i32, 0 => {
        let read = |at: usize| text::narrow(strings.add(at).read_unaligned());
        report(log, kind, id, (0..if strings.is_null() { 0 } else { usize::from(count) }).filter_map(read).collect())
    }
    fn wsk_ReportEventW(log: usize, kind: u16, _category: u16, id: u32, _user: *mut c_void, count: u16, _size: u32, strings: *const *const Wchar, _data: *mut c_void) -> i32, 0 => {
        let read = |at: usize| text::wide(strings.add(at).read_unaligned());
        report(log, kind, id, (0..if strings.is_null() { 0 } else { usize::from(count) }).filter_map(read).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_open_and_close() {
        let log = register(Some("winsock-test".into()));
        assert!(source(log).is_some());
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { wsk_DeregisterEventSource(log) }, 1);
        // SAFETY: arguments as the call takes them.
        assert_eq!(unsafe { wsk_DeregisterEventSource(log) }, 0);
        assert!(source(5).is_none() && source(FIRST + 1).is_none());
    }
}
