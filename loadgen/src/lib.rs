//! Load for servers, its measurement, and plots of the results.
//!
//! | module | what it is |
//! |---|---|
//! | [`echo`] | the load of `proactor bench`: every packet is answered by one, in a closed loop or at a fixed rate |
//! | [`workload`] | the workloads of the comparison in `bench/`, measured from outside the server (Linux only) |
//! | [`plot`] | the plots of both |
//!
//! All message loads run on one engine: connections on an [`overlapped::Driver`].

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "internal to this repository; the modules say what they are for")]

mod connections;
pub mod echo;
pub mod plot;
mod random;
#[cfg(target_os = "linux")]
pub mod workload;

pub use random::Random;
