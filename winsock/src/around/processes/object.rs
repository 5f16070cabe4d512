//! What a handle of a process means, and the calls that take one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::abi::{Bool, Dword, FALSE, Handle, TRUE};
use crate::error::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, fail,
};
use crate::handles::{self, Header, Object};
use crate::wait::{Kind, Signal};

/// `GetCurrentProcess()`.
pub(super) const CURRENT: Handle = usize::MAX;
const STILL_ACTIVE: u32 = 259;

pub(super) struct Process {
    header: Header,
    signal: Signal,
    pid: u32,
    exit_code: AtomicU32,
}

impl Object for Process {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        Some(&self.signal)
    }
}

impl Process {
    pub(super) fn new(pid: u32) -> Process {
        Process { header: Header::new(), signal: Signal::new(Kind::Manual, 0), pid, exit_code: AtomicU32::new(0) }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The process has ended.
    pub(super) fn ended(&self, code: u32) {
        self.exit_code.store(code, Ordering::Release);
        self.signal.set();
    }

    fn exit_code(&self) -> u32 {
        if self.signal.is_set() { self.exit_code.load(Ordering::Acquire) } else { STILL_ACTIVE }
    }
}

/// The id of the process that a handle means.
pub(super) fn id(process: Handle) -> Option<u32> {
    if process == CURRENT { Some(std::process::id()) } else { Some(handles::get::<Process>(process)?.pid()) }
}

/// A handle to a process that another one started. Its end is noticed; its exit code is not known.
fn open(pid: u32) -> Result<Handle, u32> {
    let Ok(number) = libc::pid_t::try_from(pid) else { return Err(ERROR_INVALID_PARAMETER) };
    // SAFETY: no memory is passed.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) };
    if number == 0 || descriptor < 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let process = Arc::new(Process::new(pid));
    let watched = Arc::clone(&process);
    let watch = move || {
        let mut poll = libc::pollfd { fd: descriptor as i32, events: libc::POLLIN, revents: 0 };
        // SAFETY: it writes the one entry; the descriptor is this thread's.
        unsafe {
            while libc::poll(&raw mut poll, 1, -1) < 0 {}
            libc::close(descriptor as i32);
        }
        watched.ended(0);
    };
    // Of this process the end is never seen.
    if pid == std::process::id() || std::thread::Builder::new().spawn(watch).is_err() {
        // SAFETY: the descriptor was not given away, or its thread never began.
        unsafe { libc::close(descriptor as i32) };
    }
    handles::insert(process).ok_or(ERROR_NO_SYSTEM_RESOURCES)
}

fn terminate(process: Handle, code: u32) -> Result<(), u32> {
    let pid = id(process).ok_or(ERROR_INVALID_HANDLE)?;
    if pid == std::process::id() {
        // SAFETY: it ends the process; nothing of it runs any more, as on Windows.
        unsafe { libc::_exit(code as i32) };
    }
    // The number of a process that has ended may be another's by now.
    if handles::get::<Process>(process).is_some_and(|process| process.signal.is_set()) {
        return Err(ERROR_ACCESS_DENIED);
    }
    // SAFETY: no memory is passed.
    let killed = unsafe { libc::kill(pid as libc::pid_t, libc::SIGKILL) };
    if killed == 0 { Ok(()) } else { Err(ERROR_ACCESS_DENIED) }
}

export! {
    fn wsk_GetCurrentProcess() -> Handle, CURRENT => { CURRENT }

    fn wsk_GetCurrentProcessId() -> Dword, 0 => { std::process::id() }

    fn wsk_GetProcessId(process: Handle) -> Dword, 0 => {
        id(process).unwrap_or_else(|| fail(ERROR_INVALID_HANDLE, 0))
    }

    fn wsk_OpenProcess(_access: Dword, _inherit: Bool, id: Dword) -> Handle, 0 => {
        open(id).unwrap_or_else(|code| fail(code, 0))
    }

    fn wsk_ExitProcess(code: u32) -> (), () => { libc::exit(code as i32) }

    fn wsk_TerminateProcess(process: Handle, code: u32) -> Bool, FALSE => {
        match terminate(process, code) {
            Ok(()) => TRUE,
            Err(code) => fail(code, FALSE),
        }
    }

    fn wsk_GetExitCodeProcess(process: Handle, code: *mut Dword) -> Bool, FALSE => {
        let found = match process {
            CURRENT => STILL_ACTIVE,
            _ => match handles::get::<Process>(process) {
                Some(process) => process.exit_code(),
                None => return fail(ERROR_INVALID_HANDLE, FALSE),
            },
        };
        if !code.is_null() {
            *code = found;
        }
        TRUE
    }
}
