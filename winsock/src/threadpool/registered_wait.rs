//! `RegisterWaitForSingleObject`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::outstanding::Outstanding;
use super::pool::Pool;
use super::watch::{Seen, WatchId, watch};
use crate::abi::{Bool, Dword, FALSE, Handle, INFINITE, INVALID_HANDLE_VALUE, TRUE, Ulong};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_IO_PENDING, ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles::{self, Header, Object};
use crate::object;
use crate::wait::resolve;

/// `WAITORTIMERCALLBACK`
type Callback = unsafe extern "C-unwind" fn(*mut c_void, u8);

const WT_EXECUTEONLYONCE: Ulong = 8;

struct Registered {
    header: Header,
    object: Arc<dyn Object>,
    callback: Callback,
    context: usize,
    time_out: Option<Duration>,
    once: bool,
    stopped: AtomicBool,
    watched: Mutex<Option<WatchId>>,
    outstanding: Outstanding,
}

impl Object for Registered {
    fn header(&self) -> &Header {
        &self.header
    }
}

impl Registered {
    fn begin(self: &Arc<Registered>) {
        let until = self.time_out.map(|time| Instant::now() + time);
        // Held until the wait is noted: it may end at once, and begin again.
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stopped.load(Ordering::Acquire) {
            return;
        }
        let this = Arc::clone(self);
        *watched = watch(Arc::clone(&self.object), until, move |seen| this.ended(seen));
    }

    fn ended(self: Arc<Registered>, seen: Seen) {
        let epoch = self.outstanding.queue();
        Pool::of_process().run(move |_| {
            if self.outstanding.begin(Some(epoch)) {
                let timed_out = u8::from(seen == Seen::TimedOut);
                // SAFETY: the program has given the callback with its context.
                unsafe { (self.callback)(self.context as *mut c_void, timed_out) };
                self.outstanding.end();
            }
            // Not before the callback has returned: a signal that stays would call it without end.
            if !self.once {
                self.begin();
            }
        });
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(watched) = self.watched.lock().unwrap_or_else(PoisonError::into_inner).take() {
            watched.cancel();
        }
    }
}

fn register(
    object: Handle,
    callback: Callback,
    context: *mut c_void,
    milliseconds: Dword,
    flags: Ulong,
) -> Result<Handle, u32> {
    let object = resolve(object).filter(|object| object.signal().is_some()).ok_or(ERROR_INVALID_HANDLE)?;
    let registered = Arc::new(Registered {
        header: Header::new(),
        object,
        callback,
        context: context as usize,
        time_out: (milliseconds != INFINITE).then(|| Duration::from_millis(milliseconds.into())),
        once: flags & WT_EXECUTEONLYONCE != 0,
        stopped: AtomicBool::new(false),
        watched: Mutex::new(None),
        outstanding: Outstanding::new(),
    });
    let value = handles::insert(registered.clone()).ok_or(ERROR_NO_SYSTEM_RESOURCES)?;
    registered.begin();
    Ok(value)
}

/// `event` is 0, or `INVALID_HANDLE_VALUE` to wait for callbacks, or an event that is set when they
/// have returned.
fn unregister(value: Handle, event: Handle) -> Bool {
    let Some(registered) = handles::close_if::<Registered>(value) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
    registered.stop();
    if event == INVALID_HANDLE_VALUE {
        registered.outstanding.wait(true);
        return TRUE;
    }
    let idle = registered.outstanding.is_idle();
    if event != 0 {
        if idle {
            object::set_event(event);
        } else {
            Pool::of_process().run(move |_| {
                registered.outstanding.wait(false);
                object::set_event(event);
            });
        }
    }
    if idle { TRUE } else { fail(ERROR_IO_PENDING, FALSE) }
}

export! {
    fn wsk_RegisterWaitForSingleObject(
        value: *mut Handle, object: Handle, callback: Option<Callback>, context: *mut c_void,
        milliseconds: Dword, flags: Ulong,
    ) -> Bool, FALSE => {
        let Some(callback) = callback.filter(|_| !value.is_null()) else {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        };
        match register(object, callback, context, milliseconds, flags) {
            Ok(registered) => {
                *value = registered;
                TRUE
            }
            Err(code) => fail(code, FALSE),
        }
    }

    fn wsk_UnregisterWait(value: Handle) -> Bool, FALSE => { unregister(value, 0) }

    fn wsk_UnregisterWaitEx(value: Handle, event: Handle) -> Bool, FALSE => { unregister(value, event) }
}
