//! TLS of the commands that serve: certificates from files, read again on SIGHUP.

use std::path::PathBuf;

use clap::Args;
use proactor::tls::{ClientCertificates, Tls, TlsClient, TlsClientConfig, TlsConfig};
use proactor::{Signals, Stats, Target};

use crate::printing::say;

pub(crate) const TLS: &str = "TLS (on SIGHUP, the files are read again)";

#[derive(Args)]
pub(crate) struct TlsOptions {
    /// Speak TLS on every address, and show this certificate: a PEM file with the server's own
    /// first, then those that lead to an authority. `proactor dev-cert` makes one for trying.
    #[arg(long = "tls-cert", value_name = "FILE", requires = "key", help_heading = TLS)]
    certificate: Option<PathBuf>,
    /// The certificate's private key: a PEM file, without a passphrase.
    #[arg(long = "tls-key", value_name = "FILE", requires = "certificate", help_heading = TLS)]
    key: Option<PathBuf>,
    /// Serve only clients that show a certificate which an authority of this PEM file has signed.
    #[arg(long = "tls-client-ca", value_name = "FILE", requires = "certificate", help_heading = TLS)]
    client_ca: Option<PathBuf>,
}

impl TlsOptions {
    /// What the listeners show, if they speak TLS.
    pub(crate) fn load(&self) -> Result<Option<Tls>, String> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        let mut config = TlsConfig::new().certificate(certificate, key);
        if let Some(authorities) = &self.client_ca {
            config = config.client_ca(authorities).client_certificates(ClientCertificates::Required);
        }
        Tls::new(config).map(Some).map_err(|error| error.to_string())
    }
}

/// TLS to the upstream of a proxy.
#[derive(Args)]
pub(crate) struct UpstreamTls {
    /// Speak TLS to the upstream. Its certificate must be for the name or the address of
    /// --upstream, and signed by an authority that this machine trusts.
    #[arg(long = "upstream-tls", help_heading = TLS)]
    is_on: bool,
    /// Trust the authorities of this PEM file for the upstream, instead of those of this machine.
    #[arg(long = "upstream-ca", value_name = "FILE", requires = "is_on", help_heading = TLS)]
    authorities: Option<PathBuf>,
    /// The name that the upstream's certificate must be for, if it is not that of --upstream.
    #[arg(long = "upstream-name", value_name = "NAME", requires = "is_on", help_heading = TLS)]
    name: Option<String>,
}

impl UpstreamTls {
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// The upstream, over TLS if that was asked for.
    pub(crate) fn of(&self, upstream: Target) -> Result<Target, String> {
        if !self.is_on {
            return Ok(upstream);
        }
        let config = TlsClientConfig::new();
        let config = match &self.authorities {
            Some(authorities) => config.roots(authorities),
            None => config,
        };
        let client = TlsClient::new(config).map_err(|error| error.to_string())?;
        Ok(match &self.name {
            Some(name) => upstream.tls_as(&client, name),
            None => upstream.tls(&client),
        })
    }
}

/// Has the files read again on SIGHUP.
pub(crate) fn reload_on_hang_up(signals: Signals, tls: Option<Tls>) -> Signals {
    let Some(tls) = tls else { return signals };
    signals.on_hang_up(move || match tls.reload() {
        Ok(()) => say(format_args!("SIGHUP: the certificates were read again; new sessions use them")),
        Err(error) => say(format_args!("SIGHUP: the old certificates stay in use: {error}")),
    })
}

/// What the closing summary says of handshakes that failed.
pub(crate) fn failures(stats: &Stats) -> String {
    let failures: Vec<String> = stats.tls_failures().map(|(failure, count)| format!("{count}: {failure}")).collect();
    if failures.is_empty() { String::new() } else { format!(", TLS failures ({})", failures.join("; ")) }
}
