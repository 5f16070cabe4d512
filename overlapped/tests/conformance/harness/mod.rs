//! The harness: where a rule runs, peers to talk to, and a check at the end that nothing is left.
//!
//! A rule is a function. [`rules!`] runs it with a driver of its own on every backend of this
//! system, [`engine_rules!`] on an engine of every kind on every backend. A rule that cannot run on
//! the simulated network says why where it is listed.

pub(crate) mod bench;
pub(crate) mod engine;
pub(crate) mod files;
pub(crate) mod peers;
pub(crate) mod place;
#[macro_use]
mod rules;
pub(crate) mod tracked;

use std::time::Duration;

/// How long tests wait for anything. Nothing should take so long; no test hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that do not repeat within a short distance.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Runs one test of this binary in a process of its own, if it counts something of the process.
/// Returns `true` in that process.
#[cfg_attr(windows, allow(dead_code, reason = "what is counted by the process are descriptors, of Unix"))]
pub(crate) fn alone(test: &str) -> bool {
    if std::env::var_os("ALONE").is_some() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("ALONE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "there is no test {test}: {said}");
    false
}
