//! TLS of the commands that serve: certificates from files, read again on SIGHUP.

use std::path::PathBuf;

use clap::Args;
use proactor::tls::{ClientCertificates, Tls, TlsClient, TlsClientConfig, TlsConfig};
use proactor::{Stats, Target};

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
    pub(crate) fn is_on(&self) -> bool {
        self.certificate.is_some()
    }

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
    /// Show this certificate to an upstream that asks for one: a PEM file.
    #[arg(id = "upstream_certificate", long = "upstream-cert", value_name = "FILE", requires_all = ["is_on", "upstream_key"], help_heading = TLS)]
    certificate: Option<PathBuf>,
    /// The private key of that certificate: a PEM file, without a passphrase.
    #[arg(id = "upstream_key", long = "upstream-key", value_name = "FILE", requires = "upstream_certificate", help_heading = TLS)]
    key: Option<PathBuf>,
}

/// TLS that begins behind a header.
pub(crate) struct AfterHeader {
    pub(crate) client: TlsClient,
    /// What the upstream's certificate must be for.
    pub(crate) name: String,
}

impl UpstreamTls {
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// The upstreams, over TLS if there is a client for that.
    pub(crate) fn over(&self, upstreams: Vec<Target>, client: Option<&TlsClient>) -> Vec<Target> {
        let Some(client) = client else { return upstreams };
        let over_tls = |upstream: Target| match &self.name {
            Some(name) => upstream.tls_as(client, name),
            None => upstream.tls(client),
        };
        upstreams.into_iter().map(over_tls).collect()
    }

    /// The TLS with an upstream that is sent a header first.
    pub(crate) fn after_header(&self, upstream: &Target, client: &TlsClient) -> Result<AfterHeader, String> {
        let shown = upstream.to_string();
        let own = || {
            let (host, _) = shown.rsplit_once(':').filter(|_| !shown.starts_with("unix:"))?;
            Some(host.trim_matches(['[', ']']).to_owned())
        };
        match self.name.clone().or_else(own) {
            Some(name) => Ok(AfterHeader { client: client.clone(), name }),
            None => Err(format!("{shown} has no name that a certificate could be for; give one: --upstream-name")),
        }
    }

    /// What speaks TLS to the upstream, if that was asked for.
    pub(crate) fn load(&self) -> Result<Option<TlsClient>, String> {
        if !self.is_on {
            return Ok(None);
        }
        let config = TlsClientConfig::new();
        let config = match &self.authorities {
            Some(authorities) => config.roots(authorities),
            None => config,
        };
        let config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => config.certificate(certificate, key),
            _ => config,
        };
        TlsClient::new(config).map(Some).map_err(|error| error.to_string())
    }
}

/// What the closing summary says of handshakes that failed.
pub(crate) fn failures(stats: &Stats) -> String {
    let failures: Vec<String> = stats.tls_failures().map(|(failure, count)| format!("{count}: {failure}")).collect();
    if failures.is_empty() { String::new() } else { format!(", TLS failures ({})", failures.join("; ")) }
}
