//! The contracts of the driver, each with rules named after it.

mod bounded;
mod closing;
mod datagrams;
#[cfg(unix)]
mod descriptors;
mod ending;
mod handover;
mod hard;
mod many_operations;
mod many_parts;
mod order;
mod ownership;
#[cfg(unix)]
mod unix;
