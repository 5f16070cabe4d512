//! Datagrams as packets of sessions: what a listener asks of them, who may be answered, and what
//! waits to be sent. Knows no operation.
//!
//! Inside, a datagram session is a stream of packets with a length of two bytes before each. So
//! outboxes, groups, holds and tasks are those of all sessions. The lengths are put before what
//! comes (`session/datagram.rs`) and taken from what is sent ([`outgoing`]), and never leave.

pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod cookie;
pub(crate) mod drops;
pub(crate) mod outgoing;
pub(crate) mod peers;
pub(crate) mod ports;
