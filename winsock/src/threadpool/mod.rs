//! The thread pool: work, timers, waits and I/O whose callbacks run on threads of the pool.
//!
//! What the program gets as `PTP_WORK` and the like is a value of the one table of handles.

mod environment;
mod group;
mod instance;
mod io;
mod outstanding;
mod pool;
mod registered_wait;
mod timer;
mod timer_queue;
mod wait;
mod watch;
mod work;
