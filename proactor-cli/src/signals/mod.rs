//! Being asked to end: by a signal, or by the console on Windows. One file per system, each with a `StopRequests` of the same shape.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::StopRequests;
#[cfg(windows)]
pub(crate) use windows::StopRequests;
