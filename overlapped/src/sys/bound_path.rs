//! The file that a Unix listener is bound to: replacing an old one, and removing it at the end.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::{BoundPath, of, prepare};
#[cfg(windows)]
pub(super) use windows::{BoundPath, prepare};
