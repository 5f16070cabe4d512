//! Why there is no node.

use std::fmt;

/// Why a node was not made of a connection to NATS.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// A setting is unusable; the text names it.
    Config(String),
    /// A file with credentials or certificates cannot be used.
    File {
        /// What it is for, and its path.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// NATS does not let this user in.
    Refused {
        /// The addresses that were tried.
        servers: String,
        /// What NATS or its client said.
        why: String,
    },
    /// There is no TLS with the server.
    Tls {
        /// The addresses that were tried.
        servers: String,
        /// What is wrong.
        why: String,
    },
    /// The bucket of the [directory](crate::Nats::directory) is there already, and cannot keep keys
    /// with the settings that it has.
    Bucket {
        /// Its name.
        bucket: String,
        /// The addresses of NATS.
        servers: String,
        /// The setting, what it must be, and what to do.
        why: String,
    },
    /// The thread of the client could not be started, or ended at once.
    Thread(String),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Config(what) => f.write_str(what),
            ConnectError::File { what, why } => write!(f, "could not use {what}: {why}"),
            ConnectError::Refused { servers, why } => write!(
                f,
                "could not log in to NATS at {servers}: {why}; check the user, token or credentials file, \
                 and what the server's configuration allows"
            ),
            ConnectError::Tls { servers, why } => write!(
                f,
                "could not set up TLS with NATS at {servers}: {why}; check the certificates, or add the authority \
                 of a private one"
            ),
            ConnectError::Bucket { bucket, servers, why } => {
                write!(f, "could not keep the keys of sessions in the bucket {bucket} of NATS at {servers}: {why}")
            }
            ConnectError::Thread(why) => write!(f, "could not start the thread of the NATS client: {why}"),
        }
    }
}

impl std::error::Error for ConnectError {}
