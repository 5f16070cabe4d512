//! Load for servers, its measurement, and plots of the results.
//!
//! | module | what it is |
//! |---|---|
//! | [`echo`] | the load of `proactor bench`: every packet is answered by one |
//! | [`workload`] | the workloads of the comparison in `bench/` (Linux only) |
//! | [`tls`] | TLS of their connections (feature `tls`) |
//! | [`plot`], [`page`] | the plots and pages of both |
//!
//! All message loads run on one engine: connections on an [`overlapped::Driver`]. All open loops
//! have one schedule, which is pure arithmetic.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "internal to this repository; the modules say what they are for")]

mod connections;
pub mod echo;
pub mod page;
pub mod plot;
mod random;
mod schedule;
pub mod tls;
#[cfg(target_os = "linux")]
pub mod workload;

pub use random::Random;
