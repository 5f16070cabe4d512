//! One suite for every backend. Each rule runs wherever it can, under a name that says where.
//!
//! - `contracts::order::poll::..` is a contract of the driver, on the backend `poll`.
//! - `semantics::starting::uring::threaded::..` is a rule of the four models, on an engine with a
//!   thread of its own on `uring`.
//! - `..::sim::local::..` is the same on ten simulated networks.
//!
//! The number of cases on each backend:
//!
//! ```sh
//! cargo test -p overlapped --test conformance -- --list |
//!     grep -oE '::(uring|poll|winsock|sim)::' | sort | uniq -c
//! ```
//!
//! A backend that cannot be set up fails its tests, unless `PROACTOR_TEST_WITHOUT` names it
//! (`PROACTOR_TEST_WITHOUT=uring` where the kernel refuses io_uring). Then they pass without
//! running, and a note is printed once.
//!
//! # The contracts of the driver, and where they are tested
//!
//! 1. Ownership; dropping a driver cancels and waits; nothing leaks; a connection that nobody takes
//!    is closed; a detached operation goes on: `contracts::ownership`, `contracts::descriptors`,
//!    `semantics::closing`.
//! 2. Exactly one last completion; multishot results before it: `contracts::ending`,
//!    `contracts::hard::everything_is_cancelled_before_it_has_reached_the_system`.
//! 3. One rule for errors: `contracts::ending`, `semantics::starting`.
//! 4. Never inside the call; panics are contained:
//!    `contracts::ending::never_inside_the_call`, `semantics::starting`, `semantics::closing`,
//!    `semantics::routines`.
//! 5. Order per stream: `contracts::order`, `semantics::starting`.
//! 6. Identity: `contracts::ending::identity_a_name_never_means_a_later_operation_or_socket`,
//!    `semantics::closing`.
//! 7. Close, graceful close, dropping a driver: `contracts::closing`, `contracts::hard`,
//!    `semantics::closing`, `semantics::own_thread`. None of them waits for the system:
//!    `contracts::lingering`, `semantics::lingering`.
//! 8. Whole sends; any data; the end of the stream is 0: `contracts::order`,
//!    `contracts::many_parts`, `semantics::starting`.
//! 9. Bounded; an exhausted pool is back-pressure; out of descriptors: `contracts::bounded`,
//!    `contracts::descriptors`, `contracts::datagrams`, `semantics::limits`.
//! 10. One error type, with the same kinds everywhere: the list below, `contracts::errors`,
//!     `contracts::options`, `contracts::unix_errors`, `semantics::errors`.
//! 11. Nothing hidden:
//!     `contracts::bounded::nothing_hidden_the_report_names_features_and_reasons`.
//!
//! # Kinds of errors
//!
//! - `Reset`: `contracts::ending`, `contracts::hard`, `semantics::results`
//! - `Refused`: `contracts::ending`, `contracts::unix`, `contracts::datagrams`
//! - `Cancelled`: `contracts::ending`, `semantics::closing`
//! - `Truncated`: `contracts::datagrams`
//! - `InUse`: `semantics::results`, `contracts::datagrams`, `contracts::unix`
//! - `EndOfFile`: `contracts::files`, `semantics::files`
//! - `TimedOut`: `contracts::closing`, of a graceful close; `contracts::deadlines`. (A connect's
//!   own timeout takes minutes on a real system and is not tested here.)
//!
//! # Rules that are easy to get wrong
//!
//! - deadlines of operations: `contracts::deadlines`, `semantics::deadlines`
//! - starting an operation: `semantics::starting`
//! - asking for the result: `semantics::results`
//! - waiting for events: `semantics::events`, `semantics::auto_reset`, `semantics::own_thread`
//! - completion routines: `semantics::routines`, `semantics::own_thread`
//! - completion port: `semantics::port`
//! - timers in each model: `semantics::timers`
//! - names that are looked up: `semantics::look_ups`
//! - waits for readiness: `contracts::readiness`, `semantics::readiness`
//! - futures: `semantics::futures`, `semantics::own_thread`
//! - connecting, again after a failure, and cancelling it: `contracts::connecting`
//! - accepting clients that have gone, out of descriptors, with a full table:
//!   `contracts::accepting`, `contracts::descriptors`, `semantics::accepting`
//! - cancelling and closing: `semantics::closing`, `contracts::closing`
//! - sends that were started before a close that does not wait: `semantics::closing_sends`,
//!   `contracts::closing_sends`
//! - sends without an operation: `contracts::at_once`
//! - what is done with one socket costs what is on it: `semantics::many_operations`,
//!   `contracts::many_operations`
//! - parts of buffers: `semantics::parts_of_buffers`
//! - a mebibyte through each model: `semantics::echo`
//! - files that are sent: `contracts::files`, `semantics::files`
//! - datagrams: `contracts::datagrams`; many at a time: `contracts::datagram_batches`
//! - Unix sockets: `contracts::unix`, which also runs the rules of streams in
//!   `contracts::unix::streams`
//! - connections that move between drivers and backends: `contracts::handover`
//! - addresses as texts and pairs: `contracts::addresses`, `semantics::addresses`
//! - binding before connecting, options, descriptors, sockets of the standard library:
//!   `contracts::sockets`, `contracts::unix_adopting`, `semantics::sockets`

#[macro_use]
mod harness;

mod contracts;
mod semantics;
