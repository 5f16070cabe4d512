//! The ring's table of direct descriptors.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use io_uring::types::{Fd, Fixed};
use io_uring::{IoUring, Probe, opcode, squeue};

use crate::error::{Action, Error, ErrorKind};
use crate::options::BackendOptions;
use crate::report::{Feature, Report};
use crate::sys::handle::Handle;
use crate::sys::socket::unix::NO_ADDRESS;

use super::direct::Direct;

/// The entry's descriptor is an index into the table.
pub(super) const FIXED: squeue::Flags = squeue::Flags::FIXED_FILE;

/// `SO_LINGER` by which closing resets the connection.
static RESET: libc::linger = libc::linger { l_onoff: 1, l_linger: 0 };

/// The ring's table of sockets: see [`direct`](super::direct).
#[derive(Default)]
pub(super) struct DirectTable {
    size: u32,
    /// How many are in it.
    used: usize,
}

impl DirectTable {
    /// Registers a table, if one is asked for.
    pub(super) fn new(ring: &IoUring, options: &BackendOptions, report: &mut Report) -> Result<DirectTable, Error> {
        let size = options.sockets.min(open_files()) as u32;
        let known = is_known(ring)?;
        let why = match (known, options.direct_descriptors) {
            (false, true) => {
                let why = "direct descriptors: this kernel's io_uring cannot make descriptors of them again (Linux 6.8 and newer)";
                return Err(Error::new(Action::Setup, ErrorKind::Unsupported).because(why));
            }
            (false, false) => "the kernel cannot make descriptors of them again (Linux 6.8)".to_owned(),
            (true, false) => format!(
                "not asked for; with them, a ring holds up to {size} sockets that the limit of open files does not count"
            ),
            (true, true) => {
                format!("a table of {size} sockets, which the limit of open files does not count (Linux 6.8)")
            }
        };
        report.features.push(Feature { name: "direct descriptors", used: options.direct_descriptors, why });
        if !options.direct_descriptors {
            return Ok(DirectTable::default());
        }
        ring.submitter().register_files_sparse(size).map_err(|error| {
            Error::io(Action::Setup, &error).because(format!("direct descriptors: a table of {size} files"))
        })?;
        Ok(DirectTable { size, used: 0 })
    }

    /// Whether there is one.
    pub(super) fn is_there(&self) -> bool {
        self.size > 0
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Puts a socket into the table, where it can be.
    pub(super) fn take_in(&mut self, ring: &IoUring, index: u32, handle: Handle) -> Handle {
        if index >= self.size || ring.submitter().register_files_update(index, &[handle.system().raw_fd()]).is_err() {
            return handle;
        }
        self.used += 1;
        let (lent, connected) = (AtomicBool::new(handle.is_lent()), handle.role().1);
        handle.drop_duplicate();
        Handle::Direct(Direct { index, abort: AtomicBool::new(false), lent, connected })
    }

    /// Takes a socket out of the table.
    pub(super) fn take_out(&mut self, ring: &IoUring, direct: &Direct) -> Result<(), Error> {
        let emptied = ring.submitter().register_files_update(direct.index, &[-1]);
        emptied.map_err(|error| Error::io(Action::Socket, &error))?;
        self.used -= 1;
        Ok(())
    }

    /// A close has taken a socket out of the table.
    pub(super) fn closed(&mut self) {
        self.used -= 1;
    }

    /// Closes what is left in it. The kernel frees the ring itself later.
    pub(super) fn clear(&mut self, ring: &IoUring) {
        if std::mem::take(&mut self.size) > 0 {
            let _ = ring.submitter().unregister_files();
        }
    }
}

/// Closes a socket of the table. If the connection is to be reset, another entry before that sees
/// to it.
pub(super) fn close(direct: &Direct) -> (Option<squeue::Entry>, squeue::Entry) {
    let fixed = Fixed(direct.index);
    let reset = direct.abort.load(Ordering::Relaxed).then(|| {
        let (level, name) = (libc::SOL_SOCKET as u32, libc::SO_LINGER as u32);
        let (value, len) = (std::ptr::from_ref(&RESET).cast(), size_of_val(&RESET) as u32);
        // The close follows whether this succeeds or not: it fails if it is not connected any more.
        opcode::SetSockOpt::new(fixed, level, name, value, len).build().flags(squeue::Flags::IO_HARDLINK)
    });
    (reset, opcode::Close::new(fixed).build())
}

/// Ends an attempt to connect of a socket in the table.
pub(super) fn disconnect(direct: &Direct) -> squeue::Entry {
    let len = size_of_val(&NO_ADDRESS) as libc::socklen_t;
    opcode::Connect::new(Fixed(direct.index), &raw const NO_ADDRESS, len).build()
}

/// Makes an ordinary descriptor of a socket in the table, which stays there too.
pub(super) fn install(direct: &Direct) -> squeue::Entry {
    opcode::FixedFdInstall::new(Fixed(direct.index), 0).build()
}

/// What came of [`install`].
pub(super) fn installed(result: i32) -> Result<Handle, Error> {
    match result {
        // SAFETY: the kernel has just made this descriptor for us.
        0.. => Ok(Handle::accepted(unsafe { OwnedFd::from_raw_fd(result) })),
        _ => Err(Error::os(Action::Socket, -result)),
    }
}

/// Whether the kernel knows the youngest of the operations that are needed, and so the others.
fn is_known(ring: &IoUring) -> Result<bool, Error> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|error| Error::io(Action::Setup, &error))?;
    Ok(probe.is_supported(opcode::FixedFdInstall::CODE))
}

/// The limit of open files, which is also that of a table.
fn open_files() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the one structure that it is given.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0;
    // The kernel's own limit of a table is 2^20.
    if failed { 0 } else { limit.rlim_cur.min(1 << 20) as usize }
}

/// The descriptor of an entry of the queue, and whether it is a direct one.
pub(super) fn target(handle: &Handle) -> (Fd, bool) {
    match handle {
        Handle::Direct(direct) => (Fd(direct.index()), true),
        handle => (Fd(handle.system().socket.as_raw_fd()), false),
    }
}
