//! Waits whose callbacks run on the pool: `CreateThreadpoolWait`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::environment::{Environment, place};
use super::group::{self, Member};
use super::instance::Instance;
use super::outstanding::Outstanding;
use super::pool::Pool;
use super::watch::{Seen, WatchId, watch};
use crate::abi::{Bool, Dword, FALSE, Handle};
use crate::error::{ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles::{self, Header, Object};
use crate::object::due_instant;
use crate::wait::resolve;

type WaitCallback = unsafe extern "C-unwind" fn(*const Instance, *mut c_void, Handle, Dword);

struct Wait {
    header: Header,
    value: AtomicUsize,
    callback: WaitCallback,
    context: usize,
    pool: Arc<Pool>,
    group: Handle,
    outstanding: Outstanding,
    watched: Mutex<Option<WatchId>>,
}

impl Object for Wait {
    fn header(&self) -> &Header {
        &self.header
    }

    fn last_handle_closed(self: Arc<Wait>) {
        self.stop();
    }
}

impl Member for Wait {
    fn wait_for_callbacks(&self, cancel: bool) {
        self.stop();
        self.outstanding.wait(cancel);
    }

    fn close(&self) {
        handles::close_if::<Wait>(self.value.load(Ordering::Acquire));
    }

    fn context(&self) -> *mut c_void {
        self.context as *mut c_void
    }
}

impl Wait {
    /// Waits for nothing any more; `true` if it did.
    fn stop(&self) -> bool {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).take();
        watched.is_some_and(|watched| watched.cancel())
    }

    fn begin(self: &Arc<Wait>, object: Arc<dyn Object>, due: Option<i64>) {
        let wait = Arc::clone(self);
        let watched = watch(object, due.map(due_instant), move |seen| wait.ended(seen));
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = watched;
    }

    fn ended(self: Arc<Wait>, seen: Seen) {
        let result = match seen {
            Seen::Signalled => 0,
            Seen::Abandoned => 0x80,
            Seen::TimedOut => 258,
        };
        let epoch = self.outstanding.queue();
        let pool = Arc::clone(&self.pool);
        pool.run(move |instance| {
            if self.outstanding.begin(Some(epoch)) {
                let (context, value) = (self.context as *mut c_void, self.value.load(Ordering::Acquire));
                // SAFETY: the program has given the callback with its context.
                unsafe { (self.callback)(instance, context, value, result) };
                self.outstanding.end();
            }
        });
    }
}

/// Waits for another object, or for none; `true` if it had waited for one.
///
/// # Safety
/// `timeout` is null or points to a time.
unsafe fn set(wait: Handle, object: Handle, timeout: *const i64) -> bool {
    let Some(wait) = handles::get::<Wait>(wait) else { return false };
    let waited = wait.stop();
    // SAFETY: as the caller promises. A `FILETIME` is aligned to 4 bytes.
    let due = (!timeout.is_null()).then(|| unsafe { timeout.read_unaligned() });
    if object != 0
        && let Some(object) = resolve(object).filter(|object| object.signal().is_some())
    {
        wait.begin(object, due);
    }
    waited
}

export! {
    fn wsk_CreateThreadpoolWait(
        callback: Option<WaitCallback>, context: *mut c_void, environment: *const Environment,
    ) -> Handle, 0 => {
        let Some(callback) = callback else { return fail(ERROR_INVALID_PARAMETER, 0) };
        let place = place(environment);
        let wait = Arc::new(Wait {
            header: Header::new(),
            value: AtomicUsize::new(0),
            callback,
            context: context as usize,
            pool: Arc::clone(&place.pool),
            group: place.group,
            outstanding: Outstanding::new(),
            watched: Mutex::new(None),
        });
        let Some(value) = handles::insert(wait.clone()) else { return fail(ERROR_NO_SYSTEM_RESOURCES, 0) };
        wait.value.store(value, Ordering::Release);
        group::join(&place, wait);
        value
    }

    fn wsk_SetThreadpoolWait(wait: Handle, object: Handle, timeout: *const i64) -> (), () => {
        set(wait, object, timeout);
    }

    fn wsk_SetThreadpoolWaitEx(
        wait: Handle, object: Handle, timeout: *const i64, _reserved: *mut c_void,
    ) -> Bool, FALSE => {
        set(wait, object, timeout).into()
    }

    fn wsk_WaitForThreadpoolWaitCallbacks(wait: Handle, cancel: Bool) -> (), () => {
        if let Some(wait) = handles::get::<Wait>(wait) {
            wait.outstanding.wait(cancel != 0);
        }
    }

    fn wsk_CloseThreadpoolWait(wait: Handle) -> (), () => {
        if let Some(wait) = handles::close_if::<Wait>(wait) {
            group::leave(wait.group, Arc::as_ptr(&wait).cast());
        }
    }
}
