//! The certificate that servers show over TLS. It is made for one comparison.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use loadgen::workload::SERVER_NAME;
use rcgen::generate_simple_self_signed;

/// Files that are removed at the end.
pub(crate) struct Identity {
    folder: PathBuf,
}

impl Identity {
    /// A certificate that signs itself, and its key.
    pub(crate) fn make() -> Result<Identity> {
        let folder = std::env::temp_dir().join(format!("proactor-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let identity = Identity { folder };
        let made = generate_simple_self_signed([SERVER_NAME.to_owned()]).context("making a certificate")?;
        for (file, pem) in
            [(identity.certificate(), made.cert.pem()), (identity.key(), made.signing_key.serialize_pem())]
        {
            fs::write(&file, pem).with_context(|| file.display().to_string())?;
        }
        Ok(identity)
    }

    /// The certificate, which is its own authority.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    /// What a server's command line says of it.
    pub(super) fn arguments(&self) -> [String; 4] {
        let shown = |file: PathBuf| file.display().to_string();
        ["--tls-cert".into(), shown(self.certificate()), "--tls-key".into(), shown(self.key())]
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_files_are_there_until_it_is_dropped() {
        let identity = Identity::make().unwrap();
        let [_, certificate, _, key] = identity.arguments();
        assert!(fs::read_to_string(&certificate).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(fs::read_to_string(&key).unwrap().contains("PRIVATE KEY"));
        drop(identity);
        assert!(!fs::exists(&certificate).unwrap() && !fs::exists(&key).unwrap());
    }
}
