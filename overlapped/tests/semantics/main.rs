//! The rules of overlapped I/O that are easy to get wrong, each with tests named after it, and each run twice: on a proactor with a thread of its
//! own, and on one that is turned by the waits of the test's thread.

#[macro_use]
mod harness;

mod closing;
mod events;
mod futures;
mod port;
mod results;
mod routines;
mod starting;
