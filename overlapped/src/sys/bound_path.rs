//! The file that a Unix listener is bound to: what stands there before, and what is left after.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::{BoundPath, prepare};
#[cfg(windows)]
pub(super) use windows::{BoundPath, prepare};
