//! `--cluster`: a server as a node of a cluster over NATS.

use std::path::PathBuf;

use clap::Args;
use proactor_cluster::Nats;

const CLUSTER: &str = "Cluster";

#[derive(Args)]
pub(crate) struct ClusterOptions {
    /// Be one chat with the servers that use the same NATS: nats://HOST:PORT or tls://HOST:PORT,
    /// several with commas between them. Rooms have members on all of them. If NATS cannot be
    /// reached, each server goes on with its own members, and tries again
    #[arg(long, value_name = "URL", requires = "node", help_heading = CLUSTER)]
    cluster: Option<String>,
    /// The name of this server in the cluster, of 1 to 64 bytes; give each server its own
    #[arg(long, value_name = "NAME", requires = "cluster", help_heading = CLUSTER)]
    node: Option<String>,
    /// A file with the user's JWT and seed for NATS, as nsc makes them
    #[arg(long, value_name = "FILE", requires = "cluster", help_heading = CLUSTER)]
    cluster_credentials: Option<PathBuf>,
    /// Certificates, in PEM, to trust besides those of the system when NATS is asked over TLS
    #[arg(long, value_name = "FILE", requires = "cluster", help_heading = CLUSTER)]
    cluster_ca: Option<PathBuf>,
    /// What the cluster's subjects begin with. Clusters with different prefixes can share one NATS
    /// [default: proactor]
    #[arg(long, value_name = "PREFIX", requires = "cluster", help_heading = CLUSTER)]
    cluster_prefix: Option<String>,
}

impl ClusterOptions {
    /// Where to connect, if the server is a node.
    pub(crate) fn nats(&self) -> Option<Nats> {
        let (urls, node) = (self.cluster.as_ref()?, self.node.as_ref()?);
        let mut nats = Nats::new(urls).node(node);
        if let Some(path) = &self.cluster_credentials {
            nats = nats.credentials_file(path);
        }
        if let Some(path) = &self.cluster_ca {
            nats = nats.trust(path);
        }
        if let Some(prefix) = &self.cluster_prefix {
            nats = nats.prefix(prefix);
        }
        Some(nats)
    }
}
