//! Timers whose callbacks run on the pool: `CreateThreadpoolTimer`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::environment::{Environment, place};
use super::group::{self, Member};
use super::instance::Instance;
use super::outstanding::Outstanding;
use super::pool::Pool;
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE};
use crate::error::{ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles::{self, Header, Object};
use crate::object::alarm::{self, AlarmId};
use crate::object::due_instant;

type TimerCallback = unsafe extern "C-unwind" fn(*const Instance, *mut c_void, Handle);

struct Timer {
    header: Header,
    value: AtomicUsize,
    callback: TimerCallback,
    context: usize,
    pool: Arc<Pool>,
    group: Handle,
    outstanding: Outstanding,
    armed: Mutex<Armed>,
}

#[derive(Default)]
struct Armed {
    alarm: Option<AlarmId>,
    period: Duration,
    setting: u64,
}

impl Object for Timer {
    fn header(&self) -> &Header {
        &self.header
    }

    fn last_handle_closed(self: Arc<Timer>) {
        self.set(None, Duration::ZERO);
    }
}

impl Member for Timer {
    fn wait_for_callbacks(&self, cancel: bool) {
        self.disarm();
        self.outstanding.wait(cancel);
    }

    fn close(&self) {
        handles::close_if::<Timer>(self.value.load(Ordering::Acquire));
    }

    fn context(&self) -> *mut c_void {
        self.context as *mut c_void
    }
}

impl Timer {
    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disarm(&self) {
        let mut armed = self.armed();
        armed.setting += 1;
        armed.period = Duration::ZERO;
        if let Some(alarm) = armed.alarm.take() {
            alarm::cancel(alarm);
        }
    }

    fn set(self: &Arc<Timer>, at: Option<Instant>, period: Duration) {
        self.disarm();
        if let Some(at) = at {
            let mut armed = self.armed();
            armed.period = period;
            armed.alarm = Some(schedule(Arc::downgrade(self), at, armed.setting));
        }
    }

    fn due(self: &Arc<Timer>, at: Instant, setting: u64) {
        let mut armed = self.armed();
        if armed.setting != setting {
            return;
        }
        armed.alarm = None;
        if !armed.period.is_zero() {
            let next = (at + armed.period).max(Instant::now());
            armed.alarm = Some(schedule(Arc::downgrade(self), next, setting));
        }
        drop(armed);
        let (timer, epoch) = (Arc::clone(self), self.outstanding.queue());
        self.pool.run(move |instance| {
            if timer.outstanding.begin(Some(epoch)) {
                let (context, value) = (timer.context as *mut c_void, timer.value.load(Ordering::Acquire));
                // SAFETY: the program has given the callback with its context.
                unsafe { (timer.callback)(instance, context, value) };
                timer.outstanding.end();
            }
        });
    }
}

fn schedule(timer: Weak<Timer>, at: Instant, setting: u64) -> AlarmId {
    alarm::set(at, move || {
        if let Some(timer) = timer.upgrade() {
            timer.due(at, setting);
        }
    })
}

/// Sets a timer; `true` if it was set before.
///
/// # Safety
/// `due` is null or points to a time.
unsafe fn set(timer: Handle, due: *const i64, period: Dword) -> bool {
    let Some(timer) = handles::get::<Timer>(timer) else { return false };
    let before = timer.armed().alarm.is_some();
    // SAFETY: as the caller promises. A `FILETIME` is aligned to 4 bytes.
    let at = (!due.is_null()).then(|| due_instant(unsafe { due.read_unaligned() }));
    timer.set(at, Duration::from_millis(period.into()));
    before
}

export! {
    fn wsk_CreateThreadpoolTimer(
        callback: Option<TimerCallback>, context: *mut c_void, environment: *const Environment,
    ) -> Handle, 0 => {
        let Some(callback) = callback else { return fail(ERROR_INVALID_PARAMETER, 0) };
        let place = place(environment);
        let timer = Arc::new(Timer {
            header: Header::new(),
            value: AtomicUsize::new(0),
            callback,
            context: context as usize,
            pool: Arc::clone(&place.pool),
            group: place.group,
            outstanding: Outstanding::new(),
            armed: Mutex::default(),
        });
        let Some(value) = handles::insert(timer.clone()) else { return fail(ERROR_NO_SYSTEM_RESOURCES, 0) };
        timer.value.store(value, Ordering::Release);
        group::join(&place, timer);
        value
    }

    fn wsk_SetThreadpoolTimer(timer: Handle, due: *const i64, period: Dword, _window: Dword) -> (), () => {
        set(timer, due, period);
    }

    fn wsk_SetThreadpoolTimerEx(
        timer: Handle, due: *const i64, period: Dword, _window: Dword,
    ) -> Bool, FALSE => {
        set(timer, due, period).into()
    }

    fn wsk_IsThreadpoolTimerSet(timer: Handle) -> Bool, FALSE => {
        match handles::get::<Timer>(timer) {
            Some(timer) if timer.armed().alarm.is_some() => TRUE,
            _ => FALSE,
        }
    }

    fn wsk_WaitForThreadpoolTimerCallbacks(timer: Handle, cancel: Bool) -> (), () => {
        if let Some(timer) = handles::get::<Timer>(timer) {
            timer.outstanding.wait(cancel != 0);
        }
    }

    fn wsk_CloseThreadpoolTimer(timer: Handle) -> (), () => {
        if let Some(timer) = handles::close_if::<Timer>(timer) {
            group::leave(timer.group, Arc::as_ptr(&timer).cast());
        }
    }
}
