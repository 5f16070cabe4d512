//! The contracts of the driver, each with rules named after it.

mod addresses;
mod bounded;
mod closing;
mod datagrams;
#[cfg(unix)]
mod descriptors;
mod ending;
mod handover;
mod hard;
mod order;
mod ownership;
mod sockets;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_adopting;
