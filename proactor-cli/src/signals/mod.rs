//! Requests to stop: signals, or console events on Windows. One file per system, each with the same
//! `StopRequests`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::StopRequests;
#[cfg(windows)]
pub(crate) use windows::StopRequests;
