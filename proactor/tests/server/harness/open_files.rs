//! The limit of open files.

/// Raises the limit of open files to its maximum and returns that. Tests hold both ends of many
/// connections, and the usual limit is low.
#[cfg(unix)]
pub(crate) fn raise_open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.map_or(usize::MAX, |files| files as usize)
}

/// Windows has no such limit.
#[cfg(windows)]
pub(crate) fn raise_open_files() -> usize {
    usize::MAX
}
