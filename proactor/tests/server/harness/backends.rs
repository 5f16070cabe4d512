//! Which backends can be tested here.

use overlapped::{Driver, DriverConfig};
use proactor::Backend;

/// The backends that work here. A container may refuse io_uring; poll works everywhere.
pub(crate) fn backends() -> Vec<Backend> {
    let works =
        |backend: &Backend| Driver::new(DriverConfig { backend: Some(*backend), ..DriverConfig::default() }).is_ok();
    let backends: Vec<Backend> = Backend::of_this_system().iter().copied().filter(works).collect();
    assert!(!backends.is_empty(), "no backend works here");
    backends
}
