//! Options of a socket, one at a time: by name, or by level and number.

mod fault;
pub(crate) mod known;
pub(crate) mod option;
#[cfg(unix)]
mod unix;
pub(crate) mod value;
#[cfg(windows)]
mod windows;
