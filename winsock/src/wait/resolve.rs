//! From a handle to what is waited for.

use std::sync::Arc;

use super::signal::Kind;
use crate::handles::{self, Header, Object};
use crate::thread;
use crate::wait::Signal;

/// `GetCurrentProcess()`.
const PROCESS: usize = usize::MAX;
/// `GetCurrentThread()`.
const THREAD: usize = usize::MAX - 1;

/// This process. It has not ended while anyone waits for it here.
struct Process {
    header: Header,
    signal: Signal,
}

impl Object for Process {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        Some(&self.signal)
    }
}

/// The object that a handle means, also one of the two that are in no table.
pub(crate) fn resolve(handle: usize) -> Option<Arc<dyn Object>> {
    match handle {
        PROCESS => Some(Arc::new(Process { header: Header::new(), signal: Signal::new(Kind::Manual, 0) })),
        THREAD => Some(thread::current()),
        _ => handles::any(handle),
    }
}

/// The calling thread has got this object by a wait. If it is a mutex, it is abandoned if the
/// thread ends as its owner.
pub(crate) fn note_owned(object: &Arc<dyn Object>) {
    if object.signal().is_some_and(|signal| signal.kind() == Kind::Owned) {
        thread::current().owns(object);
    }
}
