//! Model I: events.
//!
//! An [`Event`] is signalled or not. Threads wait for any of several events or for all of them at
//! once, on a slice ([`wait_any`], [`wait_all`]) or on a set that is kept between waits
//! ([`WaitSet`]).

mod domain;
mod handle;
mod wait;
mod wait_set;

pub use handle::Event;
pub use wait::{wait_all, wait_any};
pub use wait_set::WaitSet;

pub(crate) use wait::wait_any_or;

#[cfg(all(test, loom))]
pub(crate) use domain::domain;
