//! From settings to a node.

use std::sync::{Arc, mpsc};

use proactor::cluster::{Cluster, ClusterNode};

use crate::bus::NatsBus;
use crate::error::ConnectError;
use crate::nats::Nats;
use crate::state::State;
use crate::worker;

/// What JetStream allows.
const MOST_REPLICAS: usize = 5;

impl Nats {
    /// Connects, for about 5 s; a JetStream that does not answer takes a node with a
    /// [directory](Nats::directory) up to 4 s more. If NATS cannot be reached, the node is made all
    /// the same, with a line in the log: its server goes on alone, and the connection is tried
    /// again until there is one. What can only be mended by a person is an error.
    ///
    /// # Errors
    /// A setting is unusable, a file cannot be read, NATS does not let the user in, there is no TLS
    /// with it, or the bucket of the [directory](Nats::directory) has settings that it cannot have.
    pub fn connect(self) -> Result<ClusterNode, ConnectError> {
        let servers = self.addresses()?;
        let prefix = self.prefix_name();
        let is_prefix_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if prefix.len() > 100 || !prefix.chars().all(is_prefix_char) || prefix.split('.').any(str::is_empty) {
            return Err(ConnectError::Config(format!(
                "{:?} cannot be the prefix of a cluster's subjects: it must have letters, digits, `-` and `_`, \
                 in parts with `.` between them, at most 100 in all",
                prefix
            )));
        }
        if self.replicas() > MOST_REPLICAS {
            return Err(ConnectError::Config(format!(
                "the records of a cluster cannot have {} replicas: JetStream has at most {MOST_REPLICAS}",
                self.replicas()
            )));
        }
        let shown: Vec<String> = servers.iter().map(|server| format!("{}:{}", server.host(), server.port())).collect();
        let state = Arc::new(State::new(shown.join(",")));
        let (bus, asked) = NatsBus::new(prefix, self.replicas() > 0, &state);
        let name = self.name().to_owned();
        let (up, began) = mpsc::channel();
        let body = move || worker::run(&self, &servers, &state, asked, &up);
        let thread = std::thread::Builder::new().name("proactor-nats".into()).spawn(body);
        thread.map_err(|error| ConnectError::Thread(error.to_string()))?;
        began.recv().unwrap_or_else(|_| Err(ConnectError::Thread("it ended at once".into())))?;
        Ok(Cluster::on(bus).node(&name))
    }
}
