//! One suite for every backend: see the table.

#[macro_use]
mod harness;

mod contracts;
mod semantics;
