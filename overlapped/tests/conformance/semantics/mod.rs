//! The rules of overlapped I/O that are easy to get wrong. Each has tests named after it. Each runs
//! twice on every backend: on an engine with a thread of its own, and on one that the waits of the
//! test's thread turn.

mod auto_reset;
mod closing;
mod deadlines;
mod echo;
mod events;
mod futures;
mod look_ups;
mod own_thread;
mod port;
#[cfg(unix)]
mod readiness;
mod results;
mod routines;
mod starting;
mod timers;
