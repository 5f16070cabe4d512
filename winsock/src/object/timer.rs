//! Waitable timers.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::alarm::{self, AlarmId};
use super::names::{self, Name};
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE, Wchar};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NOACCESS, fail};
use crate::handles::{self, Header, Object};
use crate::thread::{self, Apc, Thread, TimerRoutine};
use crate::wait::{Kind, Signal};

struct Timer {
    header: Header,
    signal: Signal,
    armed: Mutex<Armed>,
}

/// What happens next, and to whom.
#[derive(Default)]
struct Armed {
    alarm: Option<AlarmId>,
    period: Duration,
    /// Counts what was set, so that an alarm that runs late knows that it is an old one.
    setting: u64,
    routine: Option<Routine>,
}

struct Routine {
    thread: Arc<Thread>,
    routine: TimerRoutine,
    argument: usize,
}

impl Object for Timer {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        Some(&self.signal)
    }

    fn last_handle_closed(self: Arc<Timer>) {
        self.cancel();
    }
}

/// 100 ns between 1601 and 1970.
const UNIX_EPOCH_AS_FILETIME: u64 = 116_444_736_000_000_000;

fn filetime() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH_AS_FILETIME + (since.as_nanos() / 100) as u64
}

/// A due time: 100 ns from now if negative, otherwise a `FILETIME`.
pub(crate) fn due_instant(due: i64) -> Instant {
    let ticks = if due <= 0 { due.unsigned_abs() } else { (due as u64).saturating_sub(filetime()) };
    Instant::now() + Duration::from_micros(ticks / 10) + Duration::from_nanos(ticks % 10 * 100)
}

impl Timer {
    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(self: &Arc<Timer>, at: Instant, period: Duration, routine: Option<Routine>) {
        self.signal.reset();
        let mut armed = self.armed();
        if let Some(alarm) = armed.alarm.take() {
            alarm::cancel(alarm);
        }
        armed.setting += 1;
        armed.period = period;
        armed.routine = routine;
        let setting = armed.setting;
        armed.alarm = Some(schedule(Arc::downgrade(self), at, setting));
    }

    fn cancel(&self) {
        let mut armed = self.armed();
        armed.setting += 1;
        armed.routine = None;
        if let Some(alarm) = armed.alarm.take() {
            alarm::cancel(alarm);
        }
    }

    fn due(self: &Arc<Timer>, at: Instant, setting: u64) {
        let mut armed = self.armed();
        if armed.setting != setting {
            return;
        }
        armed.alarm = None;
        if let Some(Routine { thread, routine, argument }) = &armed.routine {
            let (routine, argument) = (*routine, *argument as *mut c_void);
            thread.queue_apc(Apc::Timer { routine, argument, time: filetime() });
        }
        if !armed.period.is_zero() {
            // Late alarms do not pile up.
            let next = (at + armed.period).max(Instant::now());
            armed.alarm = Some(schedule(Arc::downgrade(self), next, setting));
        }
        self.signal.set();
    }
}

fn schedule(timer: Weak<Timer>, at: Instant, setting: u64) -> AlarmId {
    alarm::set(at, move || {
        if let Some(timer) = timer.upgrade() {
            timer.due(at, setting);
        }
    })
}

fn create(name: Result<Name, u32>, manual: bool) -> Handle {
    let kind = if manual { Kind::Manual } else { Kind::Counted };
    names::create(name, || Timer { header: Header::new(), signal: Signal::new(kind, 0), armed: Mutex::default() })
}

/// # Safety
/// `due` is null or points to a time.
unsafe fn set(
    timer: Handle,
    due: *const i64,
    period: i32,
    routine: Option<TimerRoutine>,
    argument: *mut c_void,
) -> Bool {
    let Some(timer) = handles::get::<Timer>(timer) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
    let Ok(period) = u64::try_from(period) else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
    if due.is_null() {
        return fail(ERROR_NOACCESS, FALSE);
    }
    // SAFETY: as the caller promises.
    let at = due_instant(unsafe { due.read_unaligned() });
    let argument = argument as usize;
    let routine = routine.map(|routine| Routine { thread: thread::current(), routine, argument });
    timer.set(at, Duration::from_millis(period), routine);
    TRUE
}

const CREATE_WAITABLE_TIMER_MANUAL_RESET: u32 = 1;

export! {
    fn wsk_CreateWaitableTimerA(_security: *mut c_void, manual: Bool, name: *const c_char) -> Handle, 0 => {
        create(names::narrow(name), manual != 0)
    }

    fn wsk_CreateWaitableTimerW(_security: *mut c_void, manual: Bool, name: *const Wchar) -> Handle, 0 => {
        create(names::wide(name), manual != 0)
    }

    fn wsk_CreateWaitableTimerExA(
        _security: *mut c_void, name: *const c_char, flags: Dword, _access: Dword,
    ) -> Handle, 0 => {
        create(names::narrow(name), flags & CREATE_WAITABLE_TIMER_MANUAL_RESET != 0)
    }

    fn wsk_CreateWaitableTimerExW(
        _security: *mut c_void, name: *const Wchar, flags: Dword, _access: Dword,
    ) -> Handle, 0 => {
        create(names::wide(name), flags & CREATE_WAITABLE_TIMER_MANUAL_RESET != 0)
    }

    fn wsk_OpenWaitableTimerA(_access: Dword, _inherit: Bool, name: *const c_char) -> Handle, 0 => {
        names::open::<Timer>(names::narrow(name), name.is_null())
    }

    fn wsk_OpenWaitableTimerW(_access: Dword, _inherit: Bool, name: *const Wchar) -> Handle, 0 => {
        names::open::<Timer>(names::wide(name), name.is_null())
    }

    fn wsk_SetWaitableTimer(
        timer: Handle, due: *const i64, period: i32, routine: Option<TimerRoutine>,
        argument: *mut c_void, _resume: Bool,
    ) -> Bool, FALSE => {
        set(timer, due, period, routine, argument)
    }

    fn wsk_SetWaitableTimerEx(
        timer: Handle, due: *const i64, period: i32, routine: Option<TimerRoutine>,
        argument: *mut c_void, _reason: *mut c_void, _delay: Dword,
    ) -> Bool, FALSE => {
        set(timer, due, period, routine, argument)
    }

    fn wsk_CancelWaitableTimer(timer: Handle) -> Bool, FALSE => {
        match handles::get::<Timer>(timer) {
            Some(timer) => {
                timer.cancel();
                TRUE
            }
            None => fail(ERROR_INVALID_HANDLE, FALSE),
        }
    }
}
