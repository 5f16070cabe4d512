//! `proactor dev-cert`: a certificate for trying TLS.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

/// Makes a certificate for trying TLS. Clients must be told to trust it.
#[derive(Args)]
#[command(
    long_about = "Makes a self-signed certificate for trying TLS, and its key: two PEM files. Clients must be told to trust it: give them the \
                  certificate as the authority that they trust. It is no certificate for a public server: get that from an authority, such as \
                  Let's Encrypt.",
    after_help = "Examples:\n  proactor dev-cert\n  proactor dev-cert --name game.test --name 192.0.2.7 --out certificates"
)]
pub(crate) struct DevCert {
    /// A name or an IP address that the certificate is for. Repeat the option for several [default:
    /// localhost, 127.0.0.1 and ::1]
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// The directory for the files `dev-cert.pem` and `dev-key.pem`. Files that are there are not
    /// overwritten.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

impl DevCert {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let names = if self.name.is_empty() {
            ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
        } else {
            self.name
        };
        let first = names[0].clone();
        let [certificate, key] = ["dev-cert.pem", "dev-key.pem"].map(|name| self.out.join(name));
        let (text, key_text) = make(names)?;
        fs::create_dir_all(&self.out)
            .map_err(|error| format!("could not make the directory {}: {error}", self.out.display()))?;
        // The key first: if it cannot be written, there is no certificate without one.
        write(&key, &key_text, true)?;
        write(&certificate, &text, false)?;
        let (certificate, key) = (certificate.display(), key.display());
        // An address in a URL or for s_client has brackets if it is IPv6.
        let host = if first.contains(':') { format!("[{first}]") } else { first.clone() };
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{certificate} is a certificate for {first}, and {key} its key.\n\nServe with it:\n  proactor echo --tls-cert {certificate} --tls-key \
             {key}\n\nTalk to that, in another terminal:\n  openssl s_client -connect {host}:7777 -CAfile {certificate} -quiet -verify_return_error"
        )?;
        Ok(())
    }
}

/// A certificate and its key, in PEM.
fn make(names: Vec<String>) -> Result<(String, String), String> {
    let first = names[0].clone();
    let fault = |error: rcgen::Error| format!("could not make a certificate for {first}: {error}");
    let mut params = CertificateParams::new(names.clone()).map_err(fault)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "proactor dev-cert");
    let key = KeyPair::generate().map_err(fault)?;
    let certificate = params.self_signed(&key).map_err(fault)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a new file. A secret one can be read by this user only.
fn write(path: &Path, text: &str, secret: bool) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AlreadyExists => "; remove it, or give another directory with --out",
            _ => "",
        };
        format!("could not write {}: {error}{remedy}", path.display())
    })
}
