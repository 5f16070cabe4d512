//! The TLS of connections that the server makes.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::config::{certified, check_protocols, roots, versions};
use super::error::TlsError;
use super::info::TlsVersion;
use super::pem::Source;
use super::stream::TlsStream;
use crate::transport::layer::Layer;

/// Describes the TLS of outbound connections: whom to trust, what to show.
/// [`TlsClient::new`] reads the files.
///
/// ```
/// use proactor::tls::{TlsClient, TlsClientConfig};
///
/// # fn made() -> Result<TlsClient, proactor::tls::TlsError> {
/// let config = TlsClientConfig::new().roots("ca.pem").certificate("me.pem", "me.key");
/// let tls = TlsClient::new(config)?;
/// # Ok(tls)
/// # }
/// # assert!(made().unwrap_err().to_string().starts_with("ca.pem: it cannot be read"));
/// ```
#[derive(Clone)]
pub struct TlsClientConfig {
    roots: Option<Source>,
    certificate: Option<(Source, Source)>,
    protocols: Vec<Vec<u8>>,
    least: TlsVersion,
    most: TlsVersion,
    resumes: bool,
    handshake_timeout: Duration,
}

impl Default for TlsClientConfig {
    fn default() -> TlsClientConfig {
        TlsClientConfig {
            roots: None,
            certificate: None,
            protocols: Vec::new(),
            least: TlsVersion::Tls12,
            most: TlsVersion::Tls13,
            resumes: true,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

impl TlsClientConfig {
    /// The authorities that this machine trusts, no certificate of one's own, TLS 1.2 and 1.3, 10 s
    /// for a handshake. The name of the peer's certificate is always checked.
    pub fn new() -> TlsClientConfig {
        TlsClientConfig::default()
    }

    /// The authorities that sign the certificates of peers, in a PEM file, instead of those that
    /// this machine trusts.
    pub fn roots(mut self, authorities: impl Into<PathBuf>) -> TlsClientConfig {
        self.roots = Some(Source::File(authorities.into()));
        self
    }

    /// As [`roots`](TlsClientConfig::roots), with the PEM itself.
    pub fn roots_pem(mut self, authorities: impl Into<Vec<u8>>) -> TlsClientConfig {
        self.roots = Some(Source::Text(authorities.into()));
        self
    }

    /// The certificate to show to peers that ask for one, and its key, in PEM files.
    pub fn certificate(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> TlsClientConfig {
        self.certificate = Some((Source::File(certificates.into()), Source::File(key.into())));
        self
    }

    /// As [`certificate`](TlsClientConfig::certificate), with the PEM itself.
    pub fn certificate_pem(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> TlsClientConfig {
        self.certificate = Some((Source::Text(certificates.into()), Source::Text(key.into())));
        self
    }

    /// The application protocols (ALPN) to offer, the preferred first. None by default.
    pub fn protocols<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> TlsClientConfig {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The lowest and the highest version of TLS. Both by default.
    pub fn versions(mut self, least: TlsVersion, most: TlsVersion) -> TlsClientConfig {
        (self.least, self.most) = (least, most);
        self
    }

    /// Whether sessions are resumed: 256 are remembered. They are by default.
    pub fn resumption(mut self, resumes: bool) -> TlsClientConfig {
        self.resumes = resumes;
        self
    }

    /// How long a handshake may take, from the moment that the connection is made: more than 0. 10
    /// s by default.
    pub fn handshake_timeout(mut self, time: Duration) -> TlsClientConfig {
        self.handshake_timeout = time;
        self
    }

    fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if self.handshake_timeout.is_zero() {
            return Err(TlsError::new("a handshake needs time: more than 0"));
        }
        check_protocols(&self.protocols)?;
        let provider = Arc::new(default_provider());
        let trusted = match &self.roots {
            Some(source) => roots(source)?,
            None => platform_roots()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(self.least, self.most)?)
            .map_err(|error| TlsError::new(error.to_string()))?
            .with_root_certificates(trusted);
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some((certificates, key)) => {
                // Checks that they belong together, and says which file is at fault.
                certified(certificates, key, &provider)?;
                builder
                    .with_client_auth_cert(certificates.certificates()?, key.key()?)
                    .map_err(|error| key.fault(format!("the key cannot be used: {error}")))?
            }
        };
        config.alpn_protocols = self.protocols.clone();
        if !self.resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }
}

/// The authorities that this machine trusts.
fn platform_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    match (added, found.errors.first()) {
        (0, Some(error)) => Err(TlsError::new(format!(
            "the authorities that this machine trusts cannot be read: {error}; give a file of them instead"
        ))),
        (0, None) => Err(TlsError::new(
            "this machine has no list of authorities that it trusts; install one (Debian: ca-certificates), or give a file",
        )),
        _ => Ok(roots),
    }
}

/// The TLS of outbound connections: [`Target::tls`](crate::Target::tls). Cheap to clone; all clones
/// are the same.
#[derive(Clone)]
pub struct TlsClient(Arc<Mutex<Current>>);

struct Current {
    config: TlsClientConfig,
    loaded: Arc<ClientConfig>,
}

impl TlsClient {
    /// Reads the files and checks the settings.
    ///
    /// # Errors
    /// A file cannot be read or used, or a setting is out of range: the error names it.
    pub fn new(config: TlsClientConfig) -> Result<TlsClient, TlsError> {
        let loaded = config.load()?;
        Ok(TlsClient(Arc::new(Mutex::new(Current { config, loaded }))))
    }

    /// Reads the files again, for the connections that are made from now on.
    ///
    /// # Errors
    /// As for [`new`](TlsClient::new). What was in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = self.lock().config.clone();
        let loaded = config.load()?;
        *self.lock() = Current { config, loaded };
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        // Nothing that holds it can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_same(&self, other: &TlsClient) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The layer for a connection to a peer of this name, and how long its handshake may take.
    pub(crate) fn connect(&self, name: &str) -> Result<(Layer, Duration), String> {
        let (loaded, timeout) = {
            let current = self.lock();
            (Arc::clone(&current.loaded), current.config.handshake_timeout)
        };
        let server_name = ServerName::try_from(name.to_owned()).map_err(|error| format!("'{name}': {error}"))?;
        let connection = UnbufferedClientConnection::new(loaded, server_name).map_err(|error| error.to_string())?;
        Ok((Layer::Tls(Box::new(TlsStream::client(connection, name))), timeout))
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys stay out of logs.
        f.debug_struct("TlsClientConfig").finish_non_exhaustive()
    }
}
