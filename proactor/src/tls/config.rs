//! The settings of a listener's TLS.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::error::TlsError;
use super::info::TlsVersion;
use super::pem::Source;
use super::resolver::ByName;

/// Sessions of TLS 1.2 without tickets that are kept to be resumed.
const MOST_KEPT_SESSIONS: usize = 1024;
/// The longest name of an application protocol.
const MOST_PROTOCOL_BYTES: usize = 255;

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// A client is asked for one. It may have none; one that it shows must be signed by a
    /// [client authority](TlsConfig::client_ca).
    Optional,
    /// A client without a certificate has no session.
    #[default]
    Required,
}

/// Describes the TLS of a listener: certificates, whom to trust, protocols, limits.
/// [`Tls::new`](crate::tls::Tls::new) reads the files.
///
/// ```
/// use std::time::Duration;
///
/// use proactor::tls::{Tls, TlsConfig};
///
/// # fn made() -> Result<Tls, proactor::tls::TlsError> {
/// let tls = Tls::new(
///     TlsConfig::new()
///         .certificate("server.pem", "server.key")
///         .client_ca("clients.pem")
///         .protocols(["chat/2", "chat/1"])
///         .handshake_timeout(Duration::from_secs(5)),
/// )?;
/// # Ok(tls)
/// # }
/// # assert!(made().unwrap_err().to_string().starts_with("server.pem: it cannot be read"));
/// ```
#[derive(Clone)]
pub struct TlsConfig {
    certificates: Vec<(Source, Source)>,
    client_ca: Option<Source>,
    client_certificates: ClientCertificates,
    protocols: Vec<Vec<u8>>,
    least: TlsVersion,
    most: TlsVersion,
    resumes: bool,
    pub(super) handshake_timeout: Duration,
    pub(super) handshakes: usize,
}

impl Default for TlsConfig {
    fn default() -> TlsConfig {
        TlsConfig {
            certificates: Vec::new(),
            client_ca: None,
            client_certificates: ClientCertificates::default(),
            protocols: Vec::new(),
            least: TlsVersion::Tls12,
            most: TlsVersion::Tls13,
            resumes: true,
            handshake_timeout: Duration::from_secs(10),
            handshakes: 1000,
        }
    }
}

impl TlsConfig {
    /// No certificates yet, clients are not asked for theirs, TLS 1.2 and 1.3, 10 s and 1,000 for
    /// handshakes. Early data is always off.
    pub fn new() -> TlsConfig {
        TlsConfig::default()
    }

    /// A certificate and its private key, in PEM files: first the server's own certificate, then
    /// those of the authorities up to one that clients have. At least one is needed.
    ///
    /// Call it again for another name. A client is shown the first that is valid for the name that
    /// it asks for (SNI), or the first of all.
    pub fn certificate(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> TlsConfig {
        self.certificates.push((Source::File(certificates.into()), Source::File(key.into())));
        self
    }

    /// As [`certificate`](TlsConfig::certificate), with the PEM itself.
    pub fn certificate_pem(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> TlsConfig {
        self.certificates.push((Source::Text(certificates.into()), Source::Text(key.into())));
        self
    }

    /// The authorities that sign the certificates of clients, in a PEM file. Clients must then show
    /// one, unless they [need not](TlsConfig::client_certificates).
    pub fn client_ca(mut self, authorities: impl Into<PathBuf>) -> TlsConfig {
        self.client_ca = Some(Source::File(authorities.into()));
        self
    }

    /// As [`client_ca`](TlsConfig::client_ca), with the PEM itself.
    pub fn client_ca_pem(mut self, authorities: impl Into<Vec<u8>>) -> TlsConfig {
        self.client_ca = Some(Source::Text(authorities.into()));
        self
    }

    /// Whether a client that is asked for a certificate must have one. It must by default.
    pub fn client_certificates(mut self, needed: ClientCertificates) -> TlsConfig {
        self.client_certificates = needed;
        self
    }

    /// The application protocols (ALPN), the preferred first. A client that offers some, and none
    /// of these, has no session; one that offers none has one without. None by default.
    pub fn protocols<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> TlsConfig {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The lowest and the highest version of TLS. Both by default.
    pub fn versions(mut self, least: TlsVersion, most: TlsVersion) -> TlsConfig {
        (self.least, self.most) = (least, most);
        self
    }

    /// Whether clients may resume sessions, by tickets or by ids. They may by default. What was
    /// given out is worth nothing after a [reload](crate::tls::Tls::reload).
    pub fn resumption(mut self, resumes: bool) -> TlsConfig {
        self.resumes = resumes;
        self
    }

    /// How long a handshake may take: more than 0. 10 s by default.
    pub fn handshake_timeout(mut self, time: Duration) -> TlsConfig {
        self.handshake_timeout = time;
        self
    }

    /// Handshakes that may be under way at one time, for all listeners and servers that have the
    /// handle: 1,000 by default. More connections are
    /// [refused](crate::Refusal::TlsHandshakes), by a reset. How many may begin in a second is
    /// limited by [`accept_rate`](crate::ListenerLimits::accept_rate).
    pub fn handshakes(mut self, handshakes: usize) -> TlsConfig {
        self.handshakes = handshakes;
        self
    }

    /// Reads the files, and checks all of it.
    pub(super) fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        if self.certificates.is_empty() {
            return Err(TlsError::new("TLS needs a certificate and its key: TlsConfig::certificate"));
        }
        if self.handshake_timeout.is_zero() || self.handshakes == 0 {
            return Err(TlsError::new("a handshake needs time, and one must be allowed: both must be more than 0"));
        }
        check_protocols(&self.protocols)?;
        let provider = Arc::new(default_provider());
        let keys = self.certificates.iter().map(|(certificates, key)| certified(certificates, key, &provider));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(self.least, self.most)?)
            .map_err(|error| TlsError::new(error.to_string()))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(source) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(source)?), provider);
                let verifier = match self.client_certificates {
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                    ClientCertificates::Required => verifier,
                };
                let verifier = verifier.build().map_err(|error| source.fault(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName(keys)));
        config.alpn_protocols = self.protocols.clone();
        if self.resumes {
            config.session_storage = ServerSessionMemoryCache::new(MOST_KEPT_SESSIONS);
            config.ticketer = Ticketer::new().map_err(|error| TlsError::new(error.to_string()))?;
        } else {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Arc::new(config))
    }
}

pub(super) fn check_protocols(protocols: &[Vec<u8>]) -> Result<(), TlsError> {
    match protocols.iter().find(|protocol| !(1..=MOST_PROTOCOL_BYTES).contains(&protocol.len())) {
        Some(protocol) => Err(TlsError::new(format!(
            "'{}' is no application protocol: it must have 1 to {MOST_PROTOCOL_BYTES} bytes",
            protocol.escape_ascii()
        ))),
        None => Ok(()),
    }
}

/// A certificate with its key, if they belong together.
pub(super) fn certified(
    certificates: &Source,
    key: &Source,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates.certificates()?;
    match CertifiedKey::from_der(chain, key.key()?, provider) {
        Ok(certified) => Ok(Arc::new(certified)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(key.fault("the key is not that of the certificate; give the pair that was made together"))
        }
        Err(rustls::Error::InvalidCertificate(error)) => {
            Err(certificates.fault(format!("the certificate is not valid: {error}")))
        }
        Err(error) => Err(key.fault(format!("the key cannot be used: {error}"))),
    }
}

/// The authorities of a file.
pub(super) fn roots(source: &Source) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in source.certificates()? {
        roots
            .add(certificate)
            .map_err(|error| source.fault(format!("one of its certificates is not valid: {error}")))?;
    }
    Ok(roots)
}

pub(super) fn versions(
    least: TlsVersion,
    most: TlsVersion,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let all = [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)];
    let wanted: Vec<_> =
        all.into_iter().filter(|(version, _)| (least..=most).contains(version)).map(|(_, version)| version).collect();
    if wanted.is_empty() {
        return Err(TlsError::new(format!("no version of TLS is from {least} to {most}: give the lower one first")));
    }
    Ok(wanted)
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys stay out of logs.
        f.debug_struct("TlsConfig").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}
