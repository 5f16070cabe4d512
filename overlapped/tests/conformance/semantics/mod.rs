//! The rules of overlapped I/O that are easy to get wrong. Each has tests named after it. Each runs
//! twice on every backend: on an engine with a thread of its own, and on one that the waits of the
//! test's thread turn.

mod accepting;
mod addresses;
mod auto_reset;
mod closing;
mod closing_sends;
mod deadlines;
mod echo;
mod errors;
mod events;
mod fairness;
mod files;
mod futures;
mod limits;
mod lingering;
mod look_ups;
mod many_operations;
mod own_thread;
mod panics;
mod parts_of_buffers;
mod port;
#[cfg(unix)]
mod readiness;
mod results;
mod reviewed;
mod routines;
mod sending_at_once;
mod skipping;
mod sockets;
mod starting;
mod starving;
mod timers;
