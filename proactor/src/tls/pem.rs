//! Certificates and keys in PEM, from files or memory.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TlsError;

/// The longest file that is read: a mistyped path may name a device or a disk image.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// PEM that is in memory, or in a file that is read again at each reload.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    Text(Vec<u8>),
}

impl Source {
    pub(super) fn file(&self) -> Option<PathBuf> {
        match self {
            Source::File(path) => Some(path.clone()),
            Source::Text(_) => None,
        }
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        match self {
            Source::Text(text) => Ok(text.clone()),
            Source::File(path) => read(path),
        }
    }

    /// The certificates: at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.read()?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match found {
            Ok(certificates) if certificates.is_empty() => {
                Err(self.fault("no certificate is in it; it needs a section BEGIN CERTIFICATE"))
            }
            Ok(certificates) => Ok(certificates),
            Err(error) => Err(self.fault(format!("it is not valid PEM: {error}"))),
        }
    }

    /// The first private key.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = self.read()?;
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                self.fault("no private key is in it; it needs a section BEGIN PRIVATE KEY, without a passphrase")
            }
            error => self.fault(format!("it is not valid PEM: {error}")),
        })
    }

    pub(super) fn fault(&self, what: impl Into<String>) -> TlsError {
        TlsError::of(self.file(), what)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let fault = |what: String| TlsError::of(Some(path.to_owned()), what);
    let length = std::fs::metadata(path).map_err(|error| fault(format!("it cannot be read: {error}")))?.len();
    if length > MOST_BYTES {
        return Err(fault(format!("it has {length} bytes; certificates and keys have at most {MOST_BYTES}")));
    }
    std::fs::read(path).map_err(|error| fault(format!("it cannot be read: {error}")))
}
