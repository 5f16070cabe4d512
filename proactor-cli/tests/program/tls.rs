//! TLS: a certificate for trying, files that cannot be used, and reading them again.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;

#[cfg(unix)]
use crate::harness::windows;
use crate::harness::{Running, run};

/// A directory of this test, removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("proactor-tls-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A certificate for trying, and its key.
    pub(crate) fn dev_cert(&self) -> [String; 2] {
        let output = run(&["dev-cert", "--name", "game.test", "--out", self.0.to_str().unwrap()]);
        let said = with_slashes(output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = ["dev-cert.pem", "dev-key.pem"].map(|name| self.file(name));
        for expected in ["game.test", "proactor echo --tls-cert", "openssl s_client", &files[0], &files[1]] {
            assert!(said.contains(expected), "{expected:?} is not in {said:?}");
        }
        files
    }
}

/// What the program says, with paths as this system writes them: Windows has another separator.
fn with_slashes(said: Vec<u8>) -> String {
    String::from_utf8(said).unwrap().replace('\\', "/")
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fails(arguments: &[&str], texts: &[&str]) {
    let output = run(arguments);
    let text = with_slashes(output.stderr);
    assert!(!output.status.success(), "{arguments:?}: {text}");
    for expected in texts {
        assert!(text.contains(expected), "{arguments:?}: {expected:?} is not in {text:?}");
    }
}

#[test]
fn a_certificate_for_trying_is_made_once_and_its_key_is_secret() {
    let folder = Folder::new("made");
    let [certificate, key] = folder.dev_cert();
    assert!(fs::read_to_string(&certificate).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    #[cfg(unix)]
    if !windows() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = fs::read(&key).unwrap();
    fails(&["dev-cert", "--out", folder.0.to_str().unwrap()], &["dev-key.pem", "remove it", "--out"]);
    assert_eq!(fs::read(&key).unwrap(), before);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = Folder::new("faults");
    let [certificate, key] = folder.dev_cert();
    let other = Folder::new("faults-other");
    let [other, _] = other.dev_cert();
    let none = folder.file("none.pem");
    let cases: [(&[&str], &[&str]); 5] = [
        (&["--tls-cert", &certificate], &["--tls-key"]),
        (&["--tls-cert", &none, "--tls-key", &key], &[&none, "cannot be read"]),
        (&["--tls-cert", &certificate, "--tls-key", &certificate], &[&certificate, "no private key is in it"]),
        (&["--tls-cert", &other, "--tls-key", &key], &[&key, "not that of the certificate"]),
        (&["--tls-cert", &certificate, "--tls-key", &key, "--tls-client-ca", &key], &[&key, "no certificate is in it"]),
    ];
    for (arguments, texts) in cases {
        for command in ["echo", "chat"] {
            fails(&[&[command, "--listen", "127.0.0.1:0"], arguments].concat(), texts);
        }
        let proxy = ["proxy", "--upstream", "127.0.0.1:1", "--listen", "127.0.0.1:0"];
        fails(&[&proxy[..], arguments].concat(), texts);
    }
    let upstream = ["proxy", "--upstream", "127.0.0.1:1", "--upstream-tls", "--upstream-ca", &none];
    fails(&upstream, &[&none, "cannot be read"]);
}

#[test]
fn a_client_without_tls_is_told_by_an_alert_and_is_in_the_summary() {
    let folder = Folder::new("plain");
    let [certificate, key] = folder.dev_cert();
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key]);
    assert!(echo.line.contains(" over TLS; backend "), "{}", echo.line);
    let mut stream = echo.connect();
    stream.write_all(b"hello\n").unwrap();
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert).unwrap();
    assert_eq!((alert.len(), alert[0]), (7, 21));
    drop(stream);
    let summary = echo.summary();
    assert!(summary.contains("1 session (1: TLS failed)"), "{summary}");
    assert!(summary.contains("TLS failures (1: the peer does not speak TLS)"), "{summary}");
}

#[cfg(unix)]
#[test]
fn a_hang_up_reads_the_files_again_and_says_what_came_of_it() {
    use rustix::process::{Pid, Signal, kill_process};
    if windows() {
        return;
    }
    let folder = Folder::new("reload");
    let [certificate, key] = folder.dev_cert();
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key]);
    let mut hang_up = || {
        kill_process(Pid::from_child(&echo.child), Signal::HUP).unwrap();
        echo.next_line()
    };
    let line = hang_up();
    assert!(line.contains("the certificates were read again"), "{line}");
    let good = fs::read(&certificate).unwrap();
    fs::write(&certificate, "nothing").unwrap();
    let line = hang_up();
    assert!(line.contains("the old certificates stay in use") && line.contains(&certificate), "{line}");
    fs::write(&certificate, good).unwrap();
    let line = hang_up();
    assert!(line.contains("the certificates were read again"), "{line}");
    assert!(echo.child.try_wait().unwrap().is_none());
}

#[test]
fn bench_loads_a_server_over_tls_and_says_what_it_does_not_trust() {
    let folder = Folder::new("bench");
    let [certificate, key] = folder.dev_cert();
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key]);
    let address = echo.addresses[0].to_string();
    let bench = |more: &[&str]| {
        let always = ["bench", "--connect", &address, "--connections", "4", "--duration", "300ms", "--warmup", "0s"];
        run(&[&always[..], &["--threads", "2", "--json", "-"], more].concat())
    };
    let loaded = bench(&["--tls", "--tls-ca", &certificate, "--tls-name", "game.test"]);
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let report: serde_json::Value = serde_json::from_slice(&loaded.stdout).unwrap();
    assert_eq!((&report["settings"]["transport"], &report["errors"]["in_all"]), (&"tls".into(), &0.into()));
    assert!(report["messages"]["answered"].as_u64().unwrap() > 0);
    assert!(String::from_utf8_lossy(&loaded.stderr).contains("4 connections over TLS"));
    for (more, expected) in [
        (&["--tls", "--tls-ca", &certificate, "--tls-name", "other.test"][..], "other.test"),
        (&["--tls", "--tls-ca", &key][..], "--tls: "),
        (&["--tls", "--tls-ca", "no-such.pem"][..], "no-such.pem"),
        (&["--tls-ca", &certificate][..], "--tls"),
    ] {
        let output = bench(more);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(expected), "{more:?}: {expected:?} is not in {text:?}");
    }
    let summary = echo.summary();
    assert!(summary.contains("echo has ended: "), "{summary}");
    assert!(summary.contains("4: closed by the peer"), "they have said that their streams end: {summary}");
}
