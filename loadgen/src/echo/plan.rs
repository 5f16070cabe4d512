//! What a run does. The caller has checked it.

use std::time::Duration;

use overlapped::Address;
use overlapped::report::Backend;

use super::script::Script;
use crate::tls::Tls;

#[derive(Clone, Debug)]
pub struct Plan {
    /// The server, as the user named it.
    pub target: String,
    pub address: Address,
    pub backend: Option<Backend>,
    /// What its connections speak, if not plain TCP.
    pub tls: Option<Tls>,
    pub connections: usize,
    pub threads: usize,
    /// Messages that may be outstanding on one connection.
    pub pipeline: usize,
    /// Messages per second on all connections. `None`: send the next one when one is answered.
    pub rate: Option<u64>,
    pub warmup: Duration,
    pub duration: Duration,
    /// For connecting, and for an answer.
    pub timeout: Duration,
    /// Connections that may be connecting at one time.
    pub connecting: usize,
    /// Connections begun per second.
    pub connect_rate: Option<u64>,
    /// The codec's name, for the report.
    pub codec: String,
    pub script: Script,
}
