//! The contracts of the driver, each with rules named after it.

mod accepting;
mod bounded;
mod closing;
mod connecting;
mod datagrams;
#[cfg(unix)]
mod descriptors;
mod ending;
mod handover;
mod hard;
mod lingering;
mod order;
mod ownership;
#[cfg(unix)]
mod unix;
