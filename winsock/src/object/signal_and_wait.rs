//! `SignalObjectAndWait`.

use std::any::Any;
use std::sync::Arc;

use super::event::Event;
use super::mutex;
use super::semaphore::Semaphore;
use crate::abi::{Bool, Dword, Handle, contained};
use crate::error::{ERROR_INTERNAL_ERROR, ERROR_INVALID_HANDLE, fail};
use crate::handles::Object;
use crate::wait::{WAIT_FAILED, resolve, wait_for};

fn signal(object: &Arc<dyn Object>) -> Result<(), u32> {
    let any: &dyn Any = &**object;
    if let Some(event) = any.downcast_ref::<Event>() {
        event.state().set();
        Ok(())
    } else if let Some(semaphore) = any.downcast_ref::<Semaphore>() {
        semaphore.release(1).map(drop)
    } else if mutex::is_mutex(object) {
        mutex::release(object)
    } else {
        Err(ERROR_INVALID_HANDLE)
    }
}

/// What is checked before anything is done.
fn begin(to_signal: Handle, to_wait: Handle) -> Result<(), u32> {
    let to_signal = resolve(to_signal).ok_or(ERROR_INVALID_HANDLE)?;
    if resolve(to_wait).is_none_or(|object| object.signal().is_none()) {
        return Err(ERROR_INVALID_HANDLE);
    }
    signal(&to_signal)
}

/// Another thread may run between the two, as on Windows.
#[unsafe(no_mangle)]
#[allow(clippy::missing_safety_doc, reason = "Microsoft documents what each function asks of its caller")]
pub unsafe extern "C-unwind" fn wsk_SignalObjectAndWait(
    to_signal: Handle,
    to_wait: Handle,
    milliseconds: Dword,
    alertable: Bool,
) -> Dword {
    match contained(|| begin(to_signal, to_wait), || Err(ERROR_INTERNAL_ERROR)) {
        Ok(()) => wait_for(&[to_wait], false, milliseconds, alertable != 0),
        Err(code) => fail(code, WAIT_FAILED),
    }
}
