//! Winsock's own calls for C and C++ on Linux.
//!
//! A program that was written for Windows is compiled with the headers in `winsock/include`, which
//! bind each Windows name `Foo` to the function `wsk_Foo` of this library. All of its I/O goes over
//! [`overlapped`]. `docs/winsock.md` says what is there and what differs from Windows.
//!
//! Layers, lowest first:
//!
//! | module | owns |
//! |---|---|
//! | `abi`, `error` | C types, exporting functions; a thread's error cell, tables of codes |
//! | `park`, `handles` | how a thread sleeps; the one table of handles |
//! | `object`, `thread`, `wait`, `sync` | events, timers; threads; waits and routines; locks |
//! | `port`, `deliver` | completion ports; how the end of an operation reaches the program |
//! | `io`, `socket` | operations over `overlapped`; sockets and their calls |
//! | `readiness`, `names` | `select`, `WSAPoll`, `WSAEventSelect`; names and addresses |
//! | `threadpool`, `around` | thread-pool calls; files, memory, time, console and the rest |
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "every function takes pointers of a C program")]
#![allow(unreachable_pub, reason = "what is exported is exported by name, to C")]
#![allow(missing_docs, reason = "the functions are those that Microsoft documents")]
#![allow(non_snake_case, reason = "the functions keep their Windows names")]
#![allow(clippy::macro_metavars_in_unsafe, reason = "an exported body is as unsafe as the Windows function")]

#[macro_use]
pub mod abi;
pub mod around;
pub mod deliver;
pub mod error;
pub mod handles;
pub mod io;
pub mod names;
pub mod object;
pub mod park;
pub mod port;
pub mod readiness;
pub mod socket;
pub mod sync;
pub mod thread;
pub mod threadpool;
pub mod wait;
