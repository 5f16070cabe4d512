//! What is wrong with certificates and settings, and what a failed connection is called.

use std::fmt;
use std::path::PathBuf;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::transport::failure::{Failure, TlsFailure};

/// Why certificates, keys or settings of TLS cannot be used: which file, what is wrong, what to do.
#[derive(Debug)]
pub struct TlsError {
    file: Option<PathBuf>,
    what: String,
}

impl TlsError {
    pub(super) fn new(what: impl Into<String>) -> TlsError {
        TlsError { file: None, what: what.into() }
    }

    pub(super) fn of(file: Option<PathBuf>, what: impl Into<String>) -> TlsError {
        TlsError { file, what: what.into() }
    }

    /// The file that is at fault, if one is.
    pub fn file(&self) -> Option<&std::path::Path> {
        self.file.as_deref()
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for TlsError {}

/// The kinds of records: change of ciphers, alert, handshake, data.
const RECORDS: std::ops::RangeInclusive<u8> = 20..=23;

/// What rustls's error is called here. `first` is the first byte of what it was shown, if that was
/// in the handshake.
pub(super) fn failure_of(error: &Error, first: Option<u8>) -> Failure {
    let kind = match error {
        Error::InvalidMessage(_) if first.is_some_and(|first| !RECORDS.contains(&first)) => {
            return TlsFailure::NotTls.into();
        }
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFailure::NotValidYet,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFailure::WrongName
            }
            // The second: its authority has the name of a trusted one, and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFailure::UnknownIssuer,
            _ => TlsFailure::BadCertificate,
        },
        Error::NoCertificatesPresented => TlsFailure::NoCertificate,
        Error::NoApplicationProtocol => TlsFailure::NoSharedProtocol,
        Error::PeerIncompatible(why) => match why {
            PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon
            | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
            | PeerIncompatible::NoEcPointFormatsInCommon
            | PeerIncompatible::NamedGroupsExtensionRequired => TlsFailure::NoSharedCipher,
            // A hello of TLS 1.1 has none.
            PeerIncompatible::SignatureAlgorithmsExtensionRequired
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic => TlsFailure::NoSharedVersion,
            _ => TlsFailure::Protocol,
        },
        Error::AlertReceived(AlertDescription::ProtocolVersion) => TlsFailure::NoSharedVersion,
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => TlsFailure::NoSharedProtocol,
        Error::AlertReceived(_) => TlsFailure::RefusedByPeer,
        _ => TlsFailure::Protocol,
    };
    Failure::new(kind, error.to_string())
}
