//! `TP_CALLBACK_ENVIRON`: which pool and group a callback belongs to; and pools.

use std::ffi::c_void;
use std::sync::Arc;

use super::pool::Pool;
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles;

/// As the header has it.
#[repr(C)]
pub struct Environment {
    version: Dword,
    pool: Handle,
    group: Handle,
    cancelled: Option<Cancelled>,
    race_dll: *mut c_void,
    activation_context: *mut c_void,
    finalization: *mut c_void,
    flags: Dword,
    priority: i32,
    size: Dword,
}

/// `PTP_CLEANUP_GROUP_CANCEL_CALLBACK`
pub(super) type Cancelled = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void);

/// Where a callback runs and who cleans up after it.
pub(super) struct Place {
    pub(super) pool: Arc<Pool>,
    /// The handle of a group, or 0.
    pub(super) group: Handle,
    pub(super) cancelled: Option<Cancelled>,
}

/// # Safety
/// `environment` is null or points to one.
pub(super) unsafe fn place(environment: *const Environment) -> Place {
    // SAFETY: as the caller promises.
    let environment = unsafe { environment.as_ref() };
    let pool = environment.and_then(|environment| handles::get::<Pool>(environment.pool));
    Place {
        pool: pool.unwrap_or_else(|| Arc::clone(Pool::of_process())),
        group: environment.map_or(0, |environment| environment.group),
        cancelled: environment.and_then(|environment| environment.cancelled),
    }
}

export! {
    fn wsk_CreateThreadpool(reserved: *mut c_void) -> Handle, 0 => {
        if !reserved.is_null() {
            return fail(ERROR_INVALID_PARAMETER, 0);
        }
        handles::insert(Pool::new()).unwrap_or_else(|| fail(ERROR_NO_SYSTEM_RESOURCES, 0))
    }

    fn wsk_SetThreadpoolThreadMaximum(pool: Handle, count: Dword) -> (), () => {
        if let Some(pool) = handles::get::<Pool>(pool) {
            pool.set_most_threads(count as usize);
        }
    }

    /// Threads are started when they are needed, whatever this asks.
    fn wsk_SetThreadpoolThreadMinimum(pool: Handle, _count: Dword) -> Bool, FALSE => {
        if handles::get::<Pool>(pool).is_some() { TRUE } else { fail(ERROR_INVALID_HANDLE, FALSE) }
    }

    fn wsk_CloseThreadpool(pool: Handle) -> (), () => {
        handles::close_if::<Pool>(pool);
    }
}
