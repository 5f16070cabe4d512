//! A client's connection of rustls.

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

/// Whom a load's clients trust, and what they ask for.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// TLS 1.2 and 1.3 with a server whose certificate is for `name`, signed by an authority of a
    /// PEM file, or by one that this machine trusts.
    ///
    /// # Errors
    /// A text that says what cannot be read or used.
    pub fn new(authorities: Option<&Path>, name: &str) -> Result<Tls, String> {
        let roots = match authorities {
            Some(file) => {
                let pem = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
                roots_of(&pem).map_err(|why| format!("{}: {why}", file.display()))?
            }
            None => platform_roots()?,
        };
        Tls::with(default_provider(), &[&TLS13, &TLS12], roots, name)
    }

    /// TLS 1.3 with one cipher suite, AES-256-GCM, so that every server has the same work. The
    /// authorities are PEM.
    ///
    /// # Errors
    /// As for [`new`](Tls::new).
    pub fn same_for_all(authorities: &[u8], name: &str) -> Result<Tls, String> {
        let only = vec![cipher_suite::TLS13_AES_256_GCM_SHA384];
        let provider = CryptoProvider { cipher_suites: only, ..default_provider() };
        Tls::with(provider, &[&TLS13], roots_of(authorities)?, name)
    }

    fn with(
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
        roots: RootCertStore,
        name: &str,
    ) -> Result<Tls, String> {
        let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions);
        let builder = builder.map_err(|error| error.to_string())?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        // Every handshake is a whole one.
        config.resumption = rustls::client::Resumption::disabled();
        let name = ServerName::try_from(name.to_owned()).map_err(|error| format!("'{name}': {error}"))?;
        Ok(Tls { config: Arc::new(config), name })
    }

    pub(crate) fn stream(&self) -> Result<TlsStream, String> {
        let made = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut connection = made.map_err(|error| error.to_string())?;
        // The load limits what is under way.
        connection.set_buffer_limit(None);
        Ok(TlsStream(connection))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

fn roots_of(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("no certificate in PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a certificate cannot be used: {error}"))?;
    }
    match roots.is_empty() {
        true => Err("no certificate is in it".into()),
        false => Ok(roots),
    }
}

fn platform_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs) {
        (0, _) => Err("this machine has no authorities that it trusts: give a file of them".into()),
        _ => Ok(roots),
    }
}

/// One connection.
pub(crate) struct TlsStream(ClientConnection);

impl TlsStream {
    /// Whether its handshake is over.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_handshaking()
    }

    /// Whether it has something to say of its own.
    pub(crate) fn has_output(&self) -> bool {
        self.0.wants_write()
    }

    /// Takes records, and appends what they carry to `plain`. Says whether the server has ended its
    /// stream.
    ///
    /// # Errors
    /// A text that says why the connection cannot go on.
    pub(crate) fn receive(&mut self, mut bytes: &[u8], plain: &mut Vec<u8>) -> Result<bool, String> {
        while !bytes.is_empty() {
            self.0.read_tls(&mut bytes).map_err(|error| error.to_string())?;
            let state = self.0.process_new_packets().map_err(|error| error.to_string())?;
            let more = state.plaintext_bytes_to_read();
            if more > 0 {
                let at = plain.len();
                plain.resize(at + more, 0);
                self.0.reader().read_exact(&mut plain[at..]).map_err(|error| error.to_string())?;
            }
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends to `wire` what it has to say of its own, and records of `plain`.
    pub(crate) fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        let written = self.0.writer().write_all(plain);
        debug_assert!(written.is_ok(), "its buffers have no limit");
        while self.0.wants_write() && self.0.write_tls(wire).is_ok() {}
    }

    /// Appends to `wire` that its stream ends.
    pub(crate) fn end(&mut self, wire: &mut Vec<u8>) {
        self.0.send_close_notify();
        self.seal(&[], wire);
    }

    /// Its handshake on a blocking socket, before anything else.
    ///
    /// # Errors
    /// It failed, or the socket did.
    #[cfg(target_os = "linux")]
    pub(crate) fn shake(&mut self, mut socket: &std::net::TcpStream) -> std::io::Result<()> {
        while self.0.is_handshaking() {
            self.0.complete_io(&mut socket)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named() {
        let error = |made: Result<Tls, String>| made.err().unwrap();
        assert!(error(Tls::new(Some(Path::new("no-such.pem")), "a.test")).starts_with("no-such.pem: "));
        assert_eq!(error(Tls::same_for_all(b"nothing", "a.test")), "no certificate is in it");
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(error(Tls::same_for_all(broken, "a.test")).starts_with("a certificate cannot be used: "));
    }
}
