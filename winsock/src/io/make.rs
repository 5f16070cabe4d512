//! Makes what the hub is made of: the driver, and threads of the library's own.

use overlapped::buf::PoolConfig;
use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig, Error};

/// Which backend the environment asks for: `WINSOCK_BACKEND=poll` (as without it) or `io_uring`.
pub(super) fn asked_for() -> Backend {
    match std::env::var("WINSOCK_BACKEND").as_deref() {
        Ok("io_uring" | "uring") => Backend::Uring,
        _ => Backend::Poll,
    }
}

pub(super) fn driver(backend: Backend) -> Result<Driver, Error> {
    let pool = PoolConfig::new().buffers(2).buffer_bytes(64);
    let config = DriverConfig::new().backend(backend).operations((1 << 24) - 1).sockets(1 << 20).queue(65_535);
    Driver::new(config.pool(pool))
}

/// Starts a thread that gets none of the program's signals.
pub(super) fn spawn(body: impl FnOnce() + Send + 'static) -> Option<()> {
    // SAFETY: both sets live on this stack, and the mask of this thread is put back.
    unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let spawned = std::thread::Builder::new().name("winsock".into()).stack_size(1 << 20).spawn(body);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        spawned.ok().map(drop)
    }
}
