//! How the end of an overlapped operation reaches the program: the `OVERLAPPED`, the event, the
//! completion routine, the packet in a port.
//!
//! An operation takes a `Ticket` just before it starts, and ends by one of its three methods. The
//! program may free the `OVERLAPPED` as soon as it can know of the end, so nothing here touches it
//! after that.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::abi::Overlapped;
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, NtStatus, WSAEINVAL, status};
use crate::handles::{self, Object};
use crate::object::Event;
use crate::port::{Packet, Port};
use crate::thread::{self, Apc, CompletionRoutine, Thread};
use crate::wait::{Kind, Signal, Until, Waited, address, wait};

/// `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`
const SKIP_PORT_ON_SUCCESS: u8 = 1;
/// `FILE_SKIP_SET_EVENT_ON_HANDLE`
const SKIP_SET_EVENT_ON_HANDLE: u8 = 2;

/// The port of a file or socket.
struct Association {
    port: Arc<Port>,
    key: usize,
}

/// What a file or socket has for its operations.
pub struct Completion {
    /// Whether the last operation without an event of its own has ended.
    is_set: AtomicBool,
    /// Shows that to waits, once there was one: few programs wait for a socket itself.
    signal: Signal,
    is_watched: AtomicBool,
    association: OnceLock<Association>,
    modes: AtomicU8,
    overlapped: bool,
}

impl Completion {
    pub(crate) fn new() -> Arc<Completion> {
        Completion::with(true)
    }

    /// Of a file or socket that was opened without overlapped operations: it can have no port.
    pub(crate) fn without_overlapped() -> Arc<Completion> {
        Completion::with(false)
    }

    fn with(overlapped: bool) -> Arc<Completion> {
        Arc::new(Completion {
            // Set until the first operation begins.
            is_set: AtomicBool::new(true),
            signal: Signal::new(Kind::Manual, 1),
            is_watched: AtomicBool::new(false),
            association: OnceLock::new(),
            modes: AtomicU8::new(0),
            overlapped,
        })
    }

    /// That of an object, if it can have operations.
    pub(crate) fn of(object: &dyn Object) -> Option<Arc<Completion>> {
        object.completion()?.downcast_ref::<Arc<Completion>>().map(Arc::clone)
    }

    /// What a wait for the file or socket itself waits for.
    pub(crate) fn signal(&self) -> &Signal {
        if !self.is_watched.swap(true, Ordering::SeqCst) {
            self.signal.set_if(|| self.is_set.load(Ordering::SeqCst));
        }
        &self.signal
    }

    /// An operation has begun, or has ended.
    fn is_now(&self, set: bool) {
        self.is_set.store(set, Ordering::SeqCst);
        if self.is_watched.load(Ordering::SeqCst) {
            if set { self.signal.set() } else { self.signal.reset() }
        }
    }

    /// Has the packets of later operations go to `port`. That cannot be changed.
    pub(crate) fn associate(&self, port: &Arc<Port>, key: usize) -> Result<(), u32> {
        if !self.overlapped {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let association = Association { port: Arc::clone(port), key };
        self.association.set(association).map_err(|_| ERROR_INVALID_PARAMETER)
    }

    /// Whether a call with an `OVERLAPPED` returns before the operation has ended.
    pub(crate) fn is_overlapped(&self) -> bool {
        self.overlapped
    }

    pub(crate) fn has_port(&self) -> bool {
        self.association.get().is_some()
    }

    pub(crate) fn add_modes(&self, modes: u8) -> Result<(), u32> {
        if !self.overlapped {
            return Err(ERROR_INVALID_PARAMETER);
        }
        self.modes.fetch_or(modes, Ordering::AcqRel);
        Ok(())
    }

    fn has_mode(&self, mode: u8) -> bool {
        self.modes.load(Ordering::Acquire) & mode != 0
    }
}

/// Which codes a routine gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    Wsa,
    Win32,
}

/// What tells the program, besides the event.
enum Tell {
    Nothing,
    Packet,
    Routine(Arc<Thread>, CompletionRoutine),
}

/// An operation that has begun and of whose end the program will be told.
pub struct Ticket {
    overlapped: *mut Overlapped,
    target: Arc<Completion>,
    event: Option<Arc<Event>>,
    tell: Tell,
    codes: Codes,
    thread: u32,
}

// SAFETY: the `OVERLAPPED` is the operation's until its end has been told. It is written by one
// thread at a time.
unsafe impl Send for Ticket {}

/// `Internal` as other threads read it while the operation runs.
///
/// # Safety
/// `overlapped` points to an `OVERLAPPED` that lives through the use.
unsafe fn internal<'a>(overlapped: *mut Overlapped) -> &'a AtomicUsize {
    // SAFETY: as the caller promises; the field is a word.
    unsafe { AtomicUsize::from_ptr(&raw mut (*overlapped).internal) }
}

/// Begins an operation: checks what is to be told, and sets the `OVERLAPPED` and the event as they
/// are while it runs. With a routine, `hEvent` is the program's.
///
/// # Safety
/// `overlapped` points to an `OVERLAPPED` that lives until the end has been told.
pub(crate) unsafe fn begin(
    target: &Arc<Completion>,
    overlapped: *mut Overlapped,
    routine: Option<CompletionRoutine>,
    codes: Codes,
) -> Result<Ticket, u32> {
    // SAFETY: as the caller promises.
    let event = unsafe { (*overlapped).event };
    let (tell, event) = match routine {
        Some(_) if target.has_port() => {
            return Err(if codes == Codes::Wsa { WSAEINVAL } else { ERROR_INVALID_PARAMETER });
        }
        Some(routine) => (Tell::Routine(thread::current(), routine), None),
        None => {
            let wants_packet = target.has_port() && event & 1 == 0;
            let event = match event & !1 {
                0 => None,
                handle => Some(handles::get::<Event>(handle).ok_or(ERROR_INVALID_HANDLE)?),
            };
            (if wants_packet { Tell::Packet } else { Tell::Nothing }, event)
        }
    };
    // SAFETY: as the caller promises.
    unsafe {
        (*overlapped).internal_high = 0;
        internal(overlapped).store(status::STATUS_PENDING.0 as usize, Ordering::Release);
    }
    match &event {
        Some(event) => event.state().reset(),
        None => target.is_now(false),
    }
    Ok(Ticket { overlapped, target: Arc::clone(target), event, tell, codes, thread: thread::id() })
}

impl Ticket {
    pub(crate) fn overlapped(&self) -> *mut Overlapped {
        self.overlapped
    }

    /// The id of the thread that started the operation.
    pub(crate) fn thread(&self) -> u32 {
        self.thread
    }

    /// Whether the file or socket has a port: then the end of the thread that started the operation
    /// does not cancel it.
    pub(crate) fn on_port(&self) -> bool {
        self.target.has_port()
    }

    /// Whether there is no packet if the operation succeeds within its start.
    pub(crate) fn skips_packet(&self) -> bool {
        self.target.has_mode(SKIP_PORT_ON_SUCCESS)
    }

    /// The operation was pending and has ended. Any thread may call this, with none of the
    /// program's locks held.
    pub(crate) fn finish(self, status: NtStatus, bytes: u32, flags: u32) {
        self.tell(status, bytes, flags, false);
    }

    /// The operation has succeeded within its start. That is told too, unless the file or socket
    /// skips packets on success.
    pub(crate) fn finish_now(self, status: NtStatus, bytes: u32, flags: u32) {
        let skips = status.is_success() && self.target.has_mode(SKIP_PORT_ON_SUCCESS);
        self.tell(status, bytes, flags, skips);
    }

    /// The start has failed: nothing is told.
    pub(crate) fn refuse(self, status: NtStatus) {
        // SAFETY: the operation has not begun, so the program has not freed it.
        unsafe { internal(self.overlapped).store(status.0 as usize, Ordering::Release) };
    }

    fn tell(self, status: NtStatus, bytes: u32, flags: u32, skips_packet: bool) {
        let Ticket { overlapped, target, event, tell, codes, thread: _ } = self;
        // SAFETY: the program keeps it until it knows of the end, which it can from the last store
        // on.
        let write = || unsafe {
            (*overlapped).internal_high = bytes as usize;
            if codes == Codes::Wsa {
                // What `WSAGetOverlappedResult` reports as flags. The field is the provider's.
                (*overlapped).offset = flags;
            }
            internal(overlapped).store(status.0 as usize, Ordering::Release);
        };
        // Within the signal's lock: the next operation with this `OVERLAPPED` resets the signal,
        // and must not do so before it is set.
        match &event {
            Some(event) => event.state().set_after(write),
            None => {
                write();
                if !target.has_mode(SKIP_SET_EVENT_ON_HANDLE) {
                    target.is_now(true);
                }
            }
        }
        address::wake_at(overlapped as usize, usize::MAX);
        match tell {
            Tell::Nothing => {}
            Tell::Packet => {
                if let Some(association) = target.association.get().filter(|_| !skips_packet) {
                    association.port.push(Packet { key: association.key, overlapped, bytes, status });
                }
            }
            Tell::Routine(thread, routine) => {
                let error = if codes == Codes::Wsa { status.wsa() } else { status.win32() };
                let apc = Apc::Completion { routine, error, bytes, overlapped, flags };
                // A thread that has ended runs no routine.
                let _ = thread.queue_apc(apc);
            }
        }
    }
}

/// The status of an operation: `STATUS_PENDING` while it runs.
///
/// # Safety
/// `overlapped` points to an `OVERLAPPED`.
pub(crate) unsafe fn status_of(overlapped: *const Overlapped) -> NtStatus {
    // SAFETY: as the caller promises; nothing is written.
    NtStatus(unsafe { internal(overlapped.cast_mut()) }.load(Ordering::Acquire) as u32)
}

/// Waits for the end of one operation, whatever its event says. No routine runs meanwhile.
///
/// # Safety
/// `overlapped` points to an `OVERLAPPED` that lives through the wait.
pub(crate) unsafe fn outlast(overlapped: *const Overlapped) -> NtStatus {
    // SAFETY: as the caller promises.
    let status = || unsafe { status_of(overlapped) };
    while status() == status::STATUS_PENDING {
        address::wait_at(overlapped as usize, || status() != status::STATUS_PENDING, Until::Never, false);
    }
    status()
}

/// Waits for the end of an operation, as `GetOverlappedResult` does: for its event if it has one,
/// which takes the signal of an event with automatic reset, and otherwise for this operation alone.
/// `Waited::Alerted` means that APCs are to be run. An event that is none is an error.
///
/// # Safety
/// `overlapped` points to an `OVERLAPPED` that lives through the wait.
pub(crate) unsafe fn wait_for_end(
    overlapped: *const Overlapped,
    milliseconds: u32,
    alertable: bool,
) -> Result<Waited, u32> {
    let until = Until::milliseconds(milliseconds);
    // SAFETY: as the caller promises.
    let event = unsafe { (*overlapped).event } & !1;
    if event != 0 {
        let event = handles::get::<Event>(event).ok_or(ERROR_INVALID_HANDLE)?;
        return Ok(wait(&[event.state()], false, until, alertable));
    }
    // SAFETY: as the caller promises.
    let ended = || unsafe { status_of(overlapped) } != status::STATUS_PENDING;
    loop {
        let waited = address::wait_at(overlapped as usize, ended, until, alertable);
        if !matches!(waited, Waited::Object(_)) || ended() {
            return Ok(waited);
        }
    }
}
