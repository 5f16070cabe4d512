//! Panics of the logic: they are contained, and those with a known remedy are explained.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls user code, and contains its panic.
#[inline]
pub(crate) fn contained<T>(call: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).inspect_err(|panic| explain(&**panic))
}

/// Logs what to do about a panic.
#[cold]
fn explain(panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    // tokio's own words.
    if text.is_some_and(|text| text.contains("Tokio 1.x runtime")) {
        tracing::error!(
            "the logic used a type of tokio where there is no tokio runtime: give the server one with \
             `Builder::tokio(runtime.handle().clone())` (feature `tokio`), or use the type in a task of a runtime \
             and hand its result over with `Handle::post`"
        );
    }
}
