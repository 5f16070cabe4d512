//! The checked settings that the parts of a shard are made with.

use std::time::Duration;

use bytes::Bytes;
use overlapped::StreamOptions;

use crate::deadlines::Spans;
use crate::limits::{AdmissionLimits, Rate};

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) admission: AdmissionLimits,
    pub(crate) refusal: Bytes,
    pub(crate) packet_rate: Option<Rate>,
    pub(crate) byte_rate: Option<Rate>,
    pub(crate) spans: Spans,
    /// Outbound sessions, including those that are connecting.
    pub(crate) outbound: AdmissionLimits,
    /// TCP options of outbound connections.
    pub(crate) stream: StreamOptions,
    pub(crate) connect_timeout: Duration,
}
