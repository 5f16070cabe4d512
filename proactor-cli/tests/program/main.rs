//! Tests of the real program, started as a user starts it.

mod backends;
mod bench;
mod chat;
mod draining;
mod ending;
mod errors;
mod harness;
#[cfg(target_os = "linux")]
mod io_uring;
#[cfg(unix)]
mod limits;
mod members;
mod proxy;
mod serving;
mod settings;
mod slow_consumers;
mod timeouts;
#[cfg(unix)]
mod unix_sockets;
