//! The descriptor with which other threads end this one's wait.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::Arc;

use crate::error::{Action, Error};

/// An `eventfd`. It blocks, so that io_uring waits for it and does not report that there is
/// nothing.
#[derive(Clone)]
pub(super) struct EventFd(Arc<File>);

impl EventFd {
    pub(super) fn new() -> Result<EventFd, Error> {
        // SAFETY: a plain system call; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(Error::io(Action::Setup, &std::io::Error::last_os_error()));
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(EventFd(Arc::new(unsafe { File::from_raw_fd(fd) })))
    }

    pub(super) fn ring(&self) {
        // A write fails only when the counter is full, and then the reader is awake anyway.
        let _ = (&*self.0).write(&1u64.to_ne_bytes());
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
