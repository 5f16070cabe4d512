//! What is asked of a server.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Workload {
    /// Every connection sends one message, waits for its echo, and sends the next
    Pingpong,
}

impl Workload {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::Pingpong => "pingpong",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One workload with its parameters: what a row of results is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Case {
    pub(crate) workload: Workload,
    pub(crate) connections: usize,
    /// Bytes in a message.
    pub(crate) size: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { workload, connections, size } = self;
        write!(f, "{workload}, {connections} connections, {size} bytes")
    }
}
