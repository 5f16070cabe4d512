//! Work: callbacks that the program queues.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::environment::{Environment, place};
use super::group::{self, Member};
use super::instance::Instance;
use super::outstanding::Outstanding;
use super::pool::Pool;
use crate::abi::{Bool, FALSE, Handle, TRUE, Ulong};
use crate::error::{ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles::{self, Header, Object};

type WorkCallback = unsafe extern "C-unwind" fn(*const Instance, *mut c_void, Handle);
type SimpleCallback = unsafe extern "C-unwind" fn(*const Instance, *mut c_void);
type ThreadFunction = unsafe extern "C-unwind" fn(*mut c_void) -> u32;

struct Work {
    header: Header,
    value: AtomicUsize,
    callback: WorkCallback,
    context: usize,
    pool: Arc<Pool>,
    group: Handle,
    outstanding: Outstanding,
}

impl Object for Work {
    fn header(&self) -> &Header {
        &self.header
    }
}

impl Member for Work {
    fn wait_for_callbacks(&self, cancel: bool) {
        self.outstanding.wait(cancel);
    }

    fn close(&self) {
        handles::close_if::<Work>(self.value.load(Ordering::Acquire));
    }

    fn context(&self) -> *mut c_void {
        self.context as *mut c_void
    }
}

export! {
    fn wsk_CreateThreadpoolWork(
        callback: Option<WorkCallback>, context: *mut c_void, environment: *const Environment,
    ) -> Handle, 0 => {
        let Some(callback) = callback else { return fail(ERROR_INVALID_PARAMETER, 0) };
        let place = place(environment);
        let work = Arc::new(Work {
            header: Header::new(),
            value: AtomicUsize::new(0),
            callback,
            context: context as usize,
            pool: Arc::clone(&place.pool),
            group: place.group,
            outstanding: Outstanding::new(),
        });
        let Some(value) = handles::insert(work.clone()) else { return fail(ERROR_NO_SYSTEM_RESOURCES, 0) };
        work.value.store(value, Ordering::Release);
        group::join(&place, work);
        value
    }

    fn wsk_SubmitThreadpoolWork(value: Handle) -> (), () => {
        let Some(work) = handles::get::<Work>(value) else { return };
        let epoch = work.outstanding.queue();
        let pool = Arc::clone(&work.pool);
        pool.run(move |instance| {
            if work.outstanding.begin(Some(epoch)) {
                // SAFETY: the program has given the callback with its context.
                unsafe { (work.callback)(instance, work.context as *mut c_void, value) };
                work.outstanding.end();
            }
        });
    }

    fn wsk_WaitForThreadpoolWorkCallbacks(work: Handle, cancel: Bool) -> (), () => {
        if let Some(work) = handles::get::<Work>(work) {
            work.outstanding.wait(cancel != 0);
        }
    }

    /// Callbacks that are queued still run.
    fn wsk_CloseThreadpoolWork(work: Handle) -> (), () => {
        if let Some(work) = handles::close_if::<Work>(work) {
            group::leave(work.group, Arc::as_ptr(&work).cast());
        }
    }

    fn wsk_TrySubmitThreadpoolCallback(
        callback: Option<SimpleCallback>, context: *mut c_void, environment: *const Environment,
    ) -> Bool, FALSE => {
        let Some(callback) = callback else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        let context = context as usize;
        // SAFETY: as above.
        place(environment).pool.run(move |instance| unsafe { callback(instance, context as *mut c_void) });
        TRUE
    }

    fn wsk_QueueUserWorkItem(function: Option<ThreadFunction>, context: *mut c_void, _flags: Ulong) -> Bool, FALSE => {
        let Some(function) = function else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        let context = context as usize;
        Pool::of_process().run(move |_| {
            // SAFETY: as above.
            unsafe { function(context as *mut c_void) };
        });
        TRUE
    }
}
