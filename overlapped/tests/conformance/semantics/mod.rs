//! The rules of overlapped I/O that are easy to get wrong. Each has tests named after it. Each runs
//! twice on every backend: on an engine with a thread of its own, and on one that the waits of the
//! test's thread turn.

mod addresses;
mod closing;
mod echo;
mod events;
mod futures;
mod own_thread;
mod port;
mod results;
mod routines;
mod sockets;
mod starting;
