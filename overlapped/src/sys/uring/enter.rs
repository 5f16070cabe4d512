//! Entering the ring: `io_uring_enter`, through the ring's registered descriptor where there is
//! one.
//!
//! The crate's own calls look the descriptor up in the process's table each time; a registered one
//! saves that.

use std::io;
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

use io_uring::IoUring;
use io_uring::types::{SubmitArgs, Timespec};

use crate::report::Feature;

// The parts of the kernel's interface (`linux/io_uring.h`) that the crate does not export.
const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 1 << 3;
const ENTER_REGISTERED_RING: u32 = 1 << 4;
const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct Update {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// How this thread names the ring to the kernel.
pub(super) struct Entrance {
    ring_fd: i32,
    registered: Option<u32>,
}

impl Entrance {
    pub(super) fn new(ring: &IoUring) -> (Entrance, Feature) {
        let mut entrance = Entrance { ring_fd: ring.as_raw_fd(), registered: None };
        let mut update = Update { offset: u32::MAX, reserved: 0, data: entrance.ring_fd as u64 };
        let (used, why) = match entrance.register(REGISTER_RING_FDS, &mut update) {
            Ok(()) => {
                entrance.registered = Some(update.offset);
                (true, "saves a lookup of the ring in every call (Linux 5.18)".to_owned())
            }
            Err(error) => (false, error.to_string()),
        };
        (entrance, Feature { name: "registered ring descriptor", used, why })
    }

    fn register(&self, what: u32, update: &mut Update) -> io::Result<()> {
        // SAFETY: the kernel reads, and for a registration writes, the one structure it is given.
        let result =
            unsafe { libc::syscall(libc::SYS_io_uring_register, self.ring_fd, what, ptr::from_mut(update), 1) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Submits `pending` entries, runs the kernel's deferred work, and waits for one completion. A
    /// `limit` of zero does not wait; `None` is no limit.
    pub(super) fn enter(&self, pending: u32, limit: Option<Duration>) -> io::Result<()> {
        let timeout = limit.map(Timespec::from);
        let want = u32::from(limit != Some(Duration::ZERO));
        let (fd, mut flags) = match self.registered {
            Some(index) => (index as i32, ENTER_GETEVENTS | ENTER_REGISTERED_RING),
            None => (self.ring_fd, ENTER_GETEVENTS),
        };
        let mut args = SubmitArgs::new();
        let (mut arg, mut size) = (ptr::null(), 0);
        if let Some(timeout) = timeout.as_ref().filter(|_| want > 0) {
            args = args.timespec(timeout);
            (arg, size) = (ptr::from_ref(&args), size_of_val(&args));
            flags |= ENTER_EXT_ARG;
        }
        // SAFETY: `arg` is null, or what EXT_ARG asks for; it and the timeout live until the call
        // returns.
        let result = unsafe { libc::syscall(libc::SYS_io_uring_enter, fd, pending, want, flags, arg, size) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Undoes the registration, which would keep the ring alive until the thread ends.
    pub(super) fn leave(&mut self) {
        if let Some(offset) = self.registered.take() {
            let _ = self.register(UNREGISTER_RING_FDS, &mut Update { offset, reserved: 0, data: 0 });
        }
    }
}
