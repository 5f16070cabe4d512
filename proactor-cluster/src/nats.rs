//! Where NATS is, and who the node is there.

use std::fmt;
use std::path::{Path, PathBuf};

use async_nats::{ConnectOptions, ServerAddr};

use crate::error::ConnectError;

/// A connection to NATS, as a node of a cluster. Each server needs its own.
///
/// The URL says how it connects: `nats://HOST:PORT`, `tls://HOST:PORT`, with `USER:PASSWORD@` or
/// `TOKEN@` before the host if NATS asks for that; several, with commas between them, for the
/// servers of one NATS cluster.
#[derive(Clone)]
pub struct Nats {
    urls: String,
    node: String,
    prefix: String,
    credentials: Option<PathBuf>,
    user: Option<(String, String)>,
    token: Option<String>,
    roots: Vec<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
    replicas: usize,
}

impl Nats {
    /// The servers of one NATS.
    pub fn new(urls: impl Into<String>) -> Nats {
        Nats {
            urls: urls.into(),
            node: String::new(),
            prefix: "proactor".into(),
            credentials: None,
            user: None,
            token: None,
            roots: Vec::new(),
            certificate: None,
            replicas: 0,
        }
    }

    /// The name of the node, of 1 to 64 bytes. It is for people to read, in gaps and in what NATS
    /// shows of its clients.
    pub fn node(mut self, name: impl Into<String>) -> Nats {
        self.node = name.into();
        self
    }

    /// What the subjects of the cluster begin with: `proactor`, unless this is called. Clusters
    /// with different prefixes share one NATS without hearing each other. Letters, digits, `-` and
    /// `_`, in parts with `.` between them, at most 100.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Nats {
        self.prefix = prefix.into();
        self
    }

    /// A file with a user's JWT and seed, as `nsc` makes them.
    pub fn credentials_file(mut self, path: impl Into<PathBuf>) -> Nats {
        self.credentials = Some(path.into());
        self
    }

    /// A user and a password.
    pub fn user(mut self, user: impl Into<String>, password: impl Into<String>) -> Nats {
        self.user = Some((user.into(), password.into()));
        self
    }

    /// A token.
    pub fn token(mut self, token: impl Into<String>) -> Nats {
        self.token = Some(token.into());
        self
    }

    /// A file of certificates, in PEM, that are trusted besides those of the system.
    pub fn trust(mut self, path: impl Into<PathBuf>) -> Nats {
        self.roots.push(path.into());
        self
    }

    /// The node's own certificate and its key, in PEM.
    pub fn certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Nats {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Makes the [keys](proactor::Session::identify) of sessions the cluster's, by records in
    /// JetStream: a bucket with the name of the [prefix](Nats::prefix), with `=` for each `.`. It
    /// is made when it is needed, with so many replicas, 1 to 5. All nodes of a cluster must have
    /// this, or none. Without it each server has keys of its own.
    pub fn directory(mut self, replicas: usize) -> Nats {
        self.replicas = replicas;
        self
    }

    pub(crate) fn replicas(&self) -> usize {
        self.replicas
    }

    pub(crate) fn name(&self) -> &str {
        &self.node
    }

    pub(crate) fn prefix_name(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn addresses(&self) -> Result<Vec<ServerAddr>, ConnectError> {
        let address = |url: &str| {
            url.trim().parse().map_err(|error| {
                // The URL may have a password.
                let host = url.rsplit('@').next().unwrap_or_default();
                ConnectError::Config(format!("{host:?} is no address of NATS: {error}; use nats://HOST:PORT"))
            })
        };
        self.urls.split(',').map(address).collect()
    }

    /// For the client.
    pub(crate) fn options(&self) -> Result<ConnectOptions, ConnectError> {
        let mut options = ConnectOptions::new().name(&self.node);
        // The client does not look for them there.
        for server in self.addresses()? {
            options = match (server.username(), server.password()) {
                (Some(user), Some(password)) => options.user_and_password(user.into(), password.into()),
                (Some(token), None) => options.token(token.into()),
                _ => options,
            };
        }
        if let Some((user, password)) = &self.user {
            options = options.user_and_password(user.clone(), password.clone());
        }
        if let Some(token) = &self.token {
            options = options.token(token.clone());
        }
        if let Some(path) = &self.credentials {
            let unusable = |error: std::io::Error| ConnectError::File {
                what: format!("the credentials file {}", path.display()),
                why: error.to_string(),
            };
            let text = std::fs::read_to_string(path).map_err(unusable)?;
            options = options.credentials(&text).map_err(unusable)?;
        }
        for root in &self.roots {
            is_readable("the certificates that are trusted", root)?;
            options = options.add_root_certificates(root.clone());
        }
        if let Some((certificate, key)) = &self.certificate {
            is_readable("the certificate", certificate)?;
            is_readable("the key", key)?;
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(options)
    }
}

/// A file is named before the client finds out.
fn is_readable(what: &str, path: &Path) -> Result<(), ConnectError> {
    let unusable = |error: std::io::Error| ConnectError::File {
        what: format!("{what} {}", path.display()),
        why: error.to_string(),
    };
    std::fs::File::open(path).map(drop).map_err(unusable)
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the URL, which may have a password, nor what it logs in with.
        f.debug_struct("Nats").field("node", &self.node).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
