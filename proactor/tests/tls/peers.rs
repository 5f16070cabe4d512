//! Certificates, and blocking clients over TLS that are not ours: rustls over a socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proactor::tls::{Tls, TlsClient, TlsClientConfig, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

pub(crate) const NAME: &str = "server.test";

const PATIENCE: Duration = Duration::from_secs(60);

/// The next serial number. Its first bits are those of a number of eight bytes.
static SERIAL: AtomicU64 = AtomicU64::new(1 << 62);

/// An authority. All its certificates for a name have one length, or two runs of a simulation would
/// differ: their keys are Ed25519, whose signatures have one length, as their serial numbers have.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key in PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).unwrap()
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn sign(&self, name: &str) -> Pair {
        self.sign_with(name, |_| {})
    }

    pub(crate) fn sign_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // One that is made from the key is shorter now and then.
        params.serial_number = Some(SERIAL.fetch_add(1, Ordering::Relaxed).into());
        change(&mut params);
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// What a listener shows: a certificate for [`NAME`].
    pub(crate) fn server(&self) -> TlsConfig {
        let Pair { certificate, key } = self.sign(NAME);
        TlsConfig::new().certificate_pem(certificate, key)
    }

    pub(crate) fn tls(&self) -> Tls {
        Tls::new(self.server()).unwrap()
    }

    /// What the server trusts where it connects.
    pub(crate) fn client(&self) -> TlsClient {
        TlsClient::new(self.client_config()).unwrap()
    }

    pub(crate) fn client_config(&self) -> TlsClientConfig {
        TlsClientConfig::new().roots_pem(self.pem.as_str())
    }

    /// A client that is not ours.
    pub(crate) fn peer(&self) -> PeerConfig {
        PeerConfig { roots: self.pem.clone(), pair: None, protocols: Vec::new(), version: None }
    }
}

/// How a client that is not ours speaks TLS.
#[derive(Clone)]
pub(crate) struct PeerConfig {
    roots: String,
    pair: Option<Pair>,
    protocols: Vec<Vec<u8>>,
    version: Option<&'static SupportedProtocolVersion>,
}

impl PeerConfig {
    pub(crate) fn shows(mut self, pair: Pair) -> PeerConfig {
        self.pair = Some(pair);
        self
    }

    pub(crate) fn protocols(mut self, protocols: &[&str]) -> PeerConfig {
        self.protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    pub(crate) fn only(mut self, version: &'static SupportedProtocolVersion) -> PeerConfig {
        self.version = Some(version);
        self
    }

    pub(crate) fn connection(&self, name: &str) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.roots) {
            roots.add(certificate).unwrap();
        }
        let versions = self.version.map_or(vec![&TLS12, &TLS13], |version| vec![version]);
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.pair {
            None => builder.with_no_client_auth(),
            Some(Pair { certificate, key }) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(certificates(certificate), key).unwrap()
            }
        };
        config.alpn_protocols = self.protocols.clone();
        ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap()
    }

    /// Connects. The handshake comes with the first byte that is sent or read.
    pub(crate) fn connect(&self, address: SocketAddr) -> Peer {
        self.connect_as(address, NAME)
    }

    pub(crate) fn connect_as(&self, address: SocketAddr, name: &str) -> Peer {
        let stream = TcpStream::connect(address).unwrap();
        // A test fails instead of waiting for ever.
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer(StreamOwned::new(self.connection(name), stream))
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

/// A client's connection over TLS.
pub(crate) struct Peer(pub(crate) StreamOwned<ClientConnection, TcpStream>);

impl Peer {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
        self.0.flush().unwrap();
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let back = self.expect_some(bytes.len());
        assert!(back == bytes, "{} instead of {}", back.escape_ascii(), bytes.escape_ascii());
    }

    #[track_caller]
    pub(crate) fn expect_some(&mut self, len: usize) -> Vec<u8> {
        let mut back = vec![0; len];
        self.0.read_exact(&mut back).unwrap();
        back
    }

    #[track_caller]
    pub(crate) fn exchange(&mut self, bytes: &[u8]) {
        self.send(bytes);
        self.expect(bytes);
    }

    /// Says that its stream ends, and ends it.
    pub(crate) fn end(&mut self) {
        self.0.conn.send_close_notify();
        self.0.flush().unwrap();
        self.0.sock.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads to the end, which the server must have said.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.0.read_to_end(&mut all).unwrap();
        all
    }

    /// Reads until it fails. Returns the error's kind and text.
    #[track_caller]
    pub(crate) fn failure(&mut self) -> (ErrorKind, String) {
        let error = self.0.read_to_end(&mut Vec::new()).expect_err("it has ended in order");
        (error.kind(), error.to_string())
    }
}
