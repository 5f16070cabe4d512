//! One suite for every backend: each rule runs wherever it can, under a name that says where.
//!
//! `contracts::order::poll::..` is a contract of the driver on the backend `poll`;
//! `semantics::starting::uring::threaded::..` a rule of the four models, on an engine with a thread
//! of its own on `uring`; `..::sim::local::..` the same on simulated networks, of ten seeds. So
//! many cases run on each:
//!
//! ```sh
//! cargo test -p overlapped --test conformance -- --list | grep -oE '::(uring|poll|winsock|sim)::' | sort | uniq -c
//! ```
//!
//! A backend that cannot be had fails its tests, unless `PROACTOR_TEST_WITHOUT` names it
//! (`PROACTOR_TEST_WITHOUT=uring` where the kernel refuses io_uring): then they pass without having
//! been run, which is said once.
//!
//! | contract of the I/O floor | where |
//! |---|---|
//! | 1 ownership; dropping cancels and parks; nothing leaks; what nobody took is closed; a detached operation goes on | `contracts::ownership`, `contracts::descriptors`; `semantics::closing::{dropping_a_handle_.., an_accepted_connection_.., a_detached_operation_..}` |
//! | 2 exactly one last completion; multishot results, then one | `contracts::ending::one_last_completion_..`, `..cancel_racing_..`; `contracts::hard::everything_is_cancelled_..` |
//! | 3 one rule for errors | `contracts::ending::errors_of_..`; `semantics::starting::{errors_.., a_refused_start_..}` |
//! | 4 never inside the call; panics contained | `contracts::ending::never_inside_the_call`; `semantics::starting::immediate_success_..`; `semantics::closing::a_waker_that_panics_..`; `semantics::routines::a_routine_that_panics_..` |
//! | 5 order per stream | `contracts::order::order_..`; `semantics::starting::{receives_.., sends_..}` |
//! | 6 identity | `contracts::ending::identity_..`; `semantics::closing::an_old_operation_never_affects_a_new_socket` |
//! | 7 close, graceful close, dropping a driver | `contracts::closing`; `contracts::hard::{both_ends_close_.., closing_while_..}`; `semantics::closing`; `semantics::own_thread::dropping_the_last_handle_..` |
//! | 8 whole sends; any data; end of stream is 0 | `contracts::order::whole_sends_..`; `semantics::starting::{a_send_of_.., the_end_of_the_stream_..}` |
//! | 9 bounded; an exhausted pool is back-pressure; out of descriptors | `contracts::bounded`, `contracts::descriptors`, `contracts::datagrams::a_flood_..` |
//! | 10 one error type, kinds alike everywhere | the table below |
//! | 11 nothing hidden | `contracts::bounded::nothing_hidden_..` |
//!
//! | kind of error | where |
//! |---|---|
//! | `Reset` | `contracts::ending::errors_of_the_system_..`, `contracts::hard::a_reset_..`, `semantics::results::a_reset_by_the_peer_..` |
//! | `Refused` | `contracts::ending::errors_of_the_system_..`, `contracts::unix::connecting_where_nobody_listens_..`, `contracts::datagrams::a_closed_port_..` |
//! | `Cancelled` | `contracts::ending::one_last_completion_for_every_kind_..`, `semantics::closing` |
//! | `Truncated` | `contracts::datagrams::{a_truncated_.., one_that_is_too_large_..}` |
//! | `InUse` | `semantics::results::an_address_in_use_..`, `contracts::datagrams::an_address_in_use_..`, `contracts::unix::..in_use..` |
//! | `TimedOut` | of a graceful close: `contracts::closing::graceful_close_gives_up_..`; a connect's takes minutes on a system and has no rule here |
//!
//! | rules that are easy to get wrong | where |
//! |---|---|
//! | starting an operation | `semantics::starting` |
//! | asking for the result | `semantics::results` |
//! | waiting for events | `semantics::events`, `semantics::own_thread::a_wait_on_the_engines_own_thread_..` |
//! | completion routines | `semantics::routines`, `semantics::own_thread::routines_of_a_thread_that_ends_..` |
//! | completion port | `semantics::port` |
//! | futures | `semantics::futures`, `semantics::own_thread::any_executor_can_run_the_futures` |
//! | cancelling and closing | `semantics::closing`, `contracts::closing` |
//! | a mebibyte through each model | `semantics::echo` |
//! | datagrams | `contracts::datagrams` |
//! | Unix sockets | `contracts::unix`; the rules of streams once more in `contracts::unix::streams` |
//! | connections handed between drivers and backends | `contracts::handover` |

#[macro_use]
mod harness;

mod contracts;
mod semantics;
