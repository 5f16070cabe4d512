//! The TLS of listeners, as a handle whose certificates can be loaded anew.

use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;

use super::config::TlsConfig;
use super::error::TlsError;
use super::stream::TlsStream;
use crate::transport::Transport;
use crate::transport::layer::Layer;
use crate::transport::opening::{Opening, Place};

/// The TLS of one or more listeners: [`Listener::tls`](crate::Listener::tls). Cheap to clone; all
/// clones are the same.
///
/// ```
/// use proactor::tls::{Tls, TlsConfig, TlsError};
/// use proactor::{Listener, Server};
///
/// # fn builder() -> Result<(), TlsError> {
/// let tls = Tls::new(TlsConfig::new().certificate("server.pem", "server.key"))?;
/// let builder = Server::builder().listen(Listener::new("0.0.0.0:7443").tls(&tls));
/// // Later, when the certificate was renewed.
/// if let Err(error) = tls.reload() {
///     eprintln!("{error}; the old certificate stays in use");
/// }
/// # let _ = builder;
/// # Ok(())
/// # }
/// # assert!(builder().is_err());
/// ```
#[derive(Clone)]
pub struct Tls(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) current: Mutex<Current>,
    handshakes: Arc<AtomicUsize>,
}

pub(super) struct Current {
    pub(super) config: TlsConfig,
    loaded: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files and checks the settings.
    ///
    /// # Errors
    /// A file cannot be read or used, or a setting is out of range: the error names it.
    pub fn new(config: TlsConfig) -> Result<Tls, TlsError> {
        let loaded = config.load()?;
        let current = Mutex::new(Current { config, loaded });
        Ok(Tls(Arc::new(Shared { current, handshakes: Arc::default() })))
    }

    /// Reads the files again. Handshakes that begin from now on use what they have; sessions and
    /// handshakes under way are not touched, and nobody can resume an earlier session.
    ///
    /// # Errors
    /// As for [`new`](Tls::new). What was in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = self.lock().config.clone();
        self.replace(config)
    }

    /// As [`reload`](Tls::reload), with other settings.
    ///
    /// # Errors
    /// As for [`new`](Tls::new). What was in use stays in use.
    pub fn replace(&self, config: TlsConfig) -> Result<(), TlsError> {
        let loaded = config.load()?;
        *self.lock() = Current { config, loaded };
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        // Nothing that holds it can panic half-way.
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more handshake may begin. `None`: as many as may be are under way.
    pub(crate) fn admit(&self) -> Option<Place> {
        let most = self.lock().config.handshakes;
        Place::take(&self.0.handshakes, most)
    }

    /// The transport of an accepted connection.
    pub(crate) fn accept(&self, place: Place) -> Result<Transport, String> {
        let (loaded, timeout) = {
            let current = self.lock();
            (Arc::clone(&current.loaded), current.config.handshake_timeout)
        };
        let connection = UnbufferedServerConnection::new(loaded).map_err(|error| error.to_string())?;
        let layer = Layer::Tls(Box::new(TlsStream::server(connection)));
        let opening = Opening { timeout, _place: Some(place), outbound: None, failure: None };
        Ok(Transport::new(layer, opening))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().config.fmt(f)
    }
}
