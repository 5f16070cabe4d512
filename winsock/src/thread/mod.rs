//! Threads: their records, APCs, ends, and the calls that start and ask about them.

mod about;
mod apc;
mod calls;
mod crt;
mod current;
mod record;
mod run;
mod start;

pub(crate) use apc::{Apc, CompletionRoutine, TimerRoutine};
pub(crate) use current::{current, id, is_of_this_thread, on_thread_end};
pub(crate) use record::{Thread, ids};
pub(crate) use run::run_apcs;
pub(crate) use start::spawn;
