//! Waiting: for one object, for several, for all of them, and for APCs.

pub(crate) mod address;
mod block;
mod calls;
mod events;
pub(crate) mod futex;
mod latch;
mod multiple;
mod resolve;
mod rest;
mod signal;

pub(crate) use block::{Claimed, WaitBlock, WaitId};
pub(crate) use calls::{WAIT_FAILED, WAIT_IO_COMPLETION, wait_for};
pub(crate) use latch::Latch;
pub(crate) use multiple::{Until, Waited, wait};
pub(crate) use resolve::{note_owned, resolve};
pub(crate) use rest::{Resting, Runs, runs_for, stop_running};
pub(crate) use signal::{Kind, Signal};
