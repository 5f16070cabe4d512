//! The contracts of the I/O floor, each with tests named after it.

mod bounded;
mod closing;
mod ending;
mod harness;
mod order;
mod ownership;
