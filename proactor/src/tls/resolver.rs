//! Which of several certificates a client is shown.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

thread_local! {
    /// The name that the hello which was just read asks for. rustls's unbuffered connections do not
    /// tell it, and call the resolver within the call that reads the hello.
    static ASKED: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// The name that a hello has asked for since this was last called on this thread.
pub(super) fn asked_name() -> Option<Box<str>> {
    ASKED.take()
}

/// Shows the first certificate that is valid for the name that the client asks for, and the first
/// of all if none is, or it asks for none.
#[derive(Debug)]
pub(super) struct ByName(pub(super) Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name();
        ASKED.set(asked.map(Into::into));
        let for_name = asked.filter(|_| self.0.len() > 1).and_then(|name| self.for_name(name));
        for_name.or(self.0.first()).cloned()
    }
}

impl ByName {
    fn for_name(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = ServerName::try_from(name).ok()?;
        let is_for = |key: &&Arc<CertifiedKey>| {
            let first = key.cert.first().and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
            first.is_some_and(|certificate| verify_server_name(&certificate, &name).is_ok())
        };
        self.0.iter().find(is_for)
    }
}
