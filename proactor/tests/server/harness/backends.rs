//! Which backends can be tested here.

use std::sync::OnceLock;
use std::thread;

use overlapped::{Driver, DriverConfig};
use proactor::Backend;

/// The backends that work here. A container may refuse io_uring; poll works everywhere.
pub(crate) fn backends() -> Vec<Backend> {
    static BACKENDS: OnceLock<Vec<Backend>> = OnceLock::new();
    // Not on the thread of a test: when the kernel tears down an io_uring, it interrupts system
    // calls of the thread that set it up.
    BACKENDS.get_or_init(|| thread::spawn(find).join().unwrap()).clone()
}

fn find() -> Vec<Backend> {
    let works = |backend: &Backend| Driver::new(DriverConfig::new().backend(*backend)).is_ok();
    let backends: Vec<Backend> = Backend::of_this_system().iter().copied().filter(works).collect();
    assert!(!backends.is_empty(), "no backend works here");
    backends
}
