//! Timer queues: `CreateTimerQueueTimer`.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::outstanding::Outstanding;
use super::pool::Pool;
use crate::abi::{Bool, Dword, FALSE, Handle, INVALID_HANDLE_VALUE, TRUE, Ulong};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_IO_PENDING, ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles::{self, Header, Object};
use crate::object;
use crate::object::alarm::{self, AlarmId};

/// `WAITORTIMERCALLBACK`
type Callback = unsafe extern "C-unwind" fn(*mut c_void, u8);

const WT_EXECUTEONLYONCE: Ulong = 8;

struct Queue {
    header: Header,
    timers: Mutex<Vec<Handle>>,
}

impl Object for Queue {
    fn header(&self) -> &Header {
        &self.header
    }
}

struct Timer {
    header: Header,
    callback: Callback,
    parameter: usize,
    once: bool,
    armed: Mutex<Armed>,
    outstanding: Outstanding,
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
        self.disarm();
    }
}

impl Timer {
    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disarm(&self) {
        let mut armed = self.armed();
        armed.setting += 1;
        if let Some(alarm) = armed.alarm.take() {
            alarm::cancel(alarm);
        }
    }

    fn arm(self: &Arc<Timer>, due: u32, period: u32) {
        self.disarm();
        let mut armed = self.armed();
        armed.period = Duration::from_millis(if self.once { 0 } else { period.into() });
        let at = Instant::now() + Duration::from_millis(due.into());
        armed.alarm = Some(schedule(Arc::downgrade(self), at, armed.setting));
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
        Pool::of_process().run(move |_| {
            if timer.outstanding.begin(Some(epoch)) {
                // SAFETY: the program has given the callback with its parameter.
                unsafe { (timer.callback)(timer.parameter as *mut c_void, 1) };
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

/// `event` is 0, or `INVALID_HANDLE_VALUE` to wait for callbacks, or an event that is set when they
/// have returned.
fn delete(timer: Handle, event: Handle) -> Bool {
    let Some(timer) = handles::close_if::<Timer>(timer) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
    timer.disarm();
    if event == INVALID_HANDLE_VALUE {
        timer.outstanding.wait(false);
        return TRUE;
    }
    let idle = timer.outstanding.is_idle();
    if event != 0 {
        if idle {
            object::set_event(event);
        } else {
            Pool::of_process().run(move |_| {
                timer.outstanding.wait(false);
                object::set_event(event);
            });
        }
    }
    if idle { TRUE } else { fail(ERROR_IO_PENDING, FALSE) }
}

fn delete_queue(queue: Handle, event: Handle) -> Bool {
    let Some(queue) = handles::close_if::<Queue>(queue) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
    let timers = std::mem::take(&mut *queue.timers.lock().unwrap_or_else(PoisonError::into_inner));
    let each = if event == 0 { 0 } else { INVALID_HANDLE_VALUE };
    for timer in timers {
        delete(timer, each);
    }
    if event != 0 && event != INVALID_HANDLE_VALUE {
        object::set_event(event);
    }
    TRUE
}

export! {
    fn wsk_CreateTimerQueue() -> Handle, 0 => {
        let queue = Arc::new(Queue { header: Header::new(), timers: Mutex::default() });
        handles::insert(queue).unwrap_or_else(|| fail(ERROR_NO_SYSTEM_RESOURCES, 0))
    }

    fn wsk_CreateTimerQueueTimer(
        value: *mut Handle, queue: Handle, callback: Option<Callback>, parameter: *mut c_void,
        due: Dword, period: Dword, flags: Ulong,
    ) -> Bool, FALSE => {
        let Some(callback) = callback.filter(|_| !value.is_null()) else {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        };
        let queue = match queue {
            0 => None,
            queue => match handles::get::<Queue>(queue) {
                Some(queue) => Some(queue),
                None => return fail(ERROR_INVALID_HANDLE, FALSE),
            },
        };
        let timer = Arc::new(Timer {
            header: Header::new(),
            callback,
            parameter: parameter as usize,
            once: flags & WT_EXECUTEONLYONCE != 0,
            armed: Mutex::default(),
            outstanding: Outstanding::new(),
        });
        let Some(handle) = handles::insert(timer.clone()) else {
            return fail(ERROR_NO_SYSTEM_RESOURCES, FALSE);
        };
        if let Some(queue) = queue {
            let mut timers = queue.timers.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that were deleted by themselves.
            timers.retain(|timer| handles::get::<Timer>(*timer).is_some());
            timers.push(handle);
        }
        // Before it is due: the callback may use it.
        *value = handle;
        timer.arm(due, period);
        TRUE
    }

    fn wsk_ChangeTimerQueueTimer(_queue: Handle, timer: Handle, due: Ulong, period: Ulong) -> Bool, FALSE => {
        match handles::get::<Timer>(timer) {
            Some(timer) => {
                timer.arm(due, period);
                TRUE
            }
            None => fail(ERROR_INVALID_HANDLE, FALSE),
        }
    }

    fn wsk_DeleteTimerQueueTimer(_queue: Handle, timer: Handle, event: Handle) -> Bool, FALSE => {
        delete(timer, event)
    }

    fn wsk_DeleteTimerQueueEx(queue: Handle, event: Handle) -> Bool, FALSE => { delete_queue(queue, event) }

    fn wsk_DeleteTimerQueue(queue: Handle) -> Bool, FALSE => { delete_queue(queue, 0) }
}
