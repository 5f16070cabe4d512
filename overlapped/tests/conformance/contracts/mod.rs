//! The contracts of the driver, each with rules named after it.

mod accepting;
mod addresses;
mod at_once;
mod bounded;
mod closing;
mod closing_sends;
mod connecting;
mod datagram_batches;
mod datagrams;
mod deadlines;
#[cfg(unix)]
mod descriptors;
mod ending;
mod errors;
mod files;
mod handover;
mod hard;
mod lingering;
mod many_operations;
mod many_parts;
mod options;
mod order;
mod ownership;
mod pieces;
#[cfg(unix)]
mod readiness;
mod sent_on;
mod sockets;
mod submissions;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_adopting;
#[cfg(unix)]
mod unix_errors;
#[cfg(unix)]
mod unix_options;
mod waiting;
