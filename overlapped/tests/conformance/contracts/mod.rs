//! The contracts of the driver, each with rules named after it.

mod bounded;
mod closing;
mod datagrams;
mod deadlines;
#[cfg(unix)]
mod descriptors;
mod ending;
mod handover;
mod hard;
mod order;
mod ownership;
#[cfg(unix)]
mod readiness;
#[cfg(unix)]
mod unix;
