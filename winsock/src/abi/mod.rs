//! The C types of the calls, and how a function is exported.

#[macro_use]
mod export;
mod types;

pub use export::contained;
pub use types::*;
