//! The rules of overlapped I/O that are easy to get wrong, each with tests named after it, and each run on every backend, twice: on an engine with a thread of its
//! own, and on one that is turned by the waits of the test's thread.

mod closing;
mod echo;
mod events;
mod futures;
mod own_thread;
mod port;
mod results;
mod routines;
mod starting;
