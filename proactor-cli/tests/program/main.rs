//! The real program, as a user starts it.

mod backends;
mod ending;
mod errors;
mod harness;
#[cfg(target_os = "linux")]
mod io_uring;
#[cfg(unix)]
mod limits;
mod proxy;
mod serving;
#[cfg(unix)]
mod unix_sockets;
