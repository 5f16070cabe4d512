//! `proactor doctor`: what this machine lets a server do, and what will bite.

use std::error::Error;
use std::fs;

use clap::Args;
use overlapped::{Driver, DriverConfig, Report};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

/// Says what a server runs on here: kernel, backend and features, limits that will bite, advice.
#[derive(Args)]
#[command(
    long_about = "Says what a server runs on here: kernel, backend, each feature used or not and why, limits that will bite, and \
                        advice. Exits with 1 if no backend can be set up."
)]
pub(crate) struct Doctor {
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Findings {
    kernel: String,
    /// Absent if none can be set up.
    backend: Option<String>,
    why: String,
    features: Vec<Feature>,
    limits: Vec<Limit>,
    advice: Vec<String>,
}

#[derive(Serialize)]
struct Feature {
    name: &'static str,
    used: bool,
    why: String,
}

#[derive(Serialize)]
struct Limit {
    name: &'static str,
    /// `None`: no limit.
    value: Option<u64>,
    most: Option<u64>,
    meaning: String,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let made = Driver::new(DriverConfig::default()).map(|driver| driver.report().clone());
        let findings = examine(made.as_ref());
        if self.json {
            println!("{}", serde_json::to_string_pretty(&findings)?);
        } else {
            print(&findings);
        }
        Ok(made.map(drop)?)
    }
}

fn examine(made: Result<&Report, &overlapped::Error>) -> Findings {
    let uname = rustix::system::uname();
    let (backend, why, features) = match made {
        Ok(report) => (
            Some(report.backend.to_string()),
            report.why.clone(),
            report
                .features
                .iter()
                .map(|feature| Feature { name: feature.name, used: feature.used, why: feature.why.clone() })
                .collect(),
        ),
        Err(error) => (None, error.to_string(), Vec::new()),
    };
    let limits = limits();
    let advice = advice(&limits, backend.is_some());
    Findings {
        kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
        backend,
        why,
        features,
        limits,
        advice,
    }
}

fn limits() -> Vec<Limit> {
    let mut limits = Vec::new();
    let files = getrlimit(Resource::Nofile);
    limits.push(Limit {
        name: "open files",
        value: files.current,
        most: files.maximum,
        meaning: match files.maximum {
            Some(files) => format!(
                "about {} sessions at once; echo raises the limit as far as it may, beyond that ask for more (ulimit -Hn)",
                files.saturating_sub(64)
            ),
            None => "no limit".into(),
        },
    });
    if let Some(backlog) = read_number("/proc/sys/net/core/somaxconn") {
        limits.push(Limit {
            name: "listen backlog (net.core.somaxconn)",
            value: Some(backlog),
            most: None,
            meaning: "connections that may wait to be accepted; more have to try again".into(),
        });
    }
    let memory = getrlimit(Resource::Memlock);
    limits.push(Limit {
        name: "locked memory",
        value: memory.current,
        most: memory.maximum,
        meaning: "bytes; counts for io_uring on kernels before 5.12 only".into(),
    });
    if let Some(disabled) = read_number("/proc/sys/kernel/io_uring_disabled") {
        limits.push(Limit {
            name: "kernel.io_uring_disabled",
            value: Some(disabled),
            most: None,
            meaning: match disabled {
                0 => "io_uring is open to everyone".into(),
                1 => "io_uring is for members of kernel.io_uring_group and privileged processes".into(),
                _ => "io_uring is switched off".into(),
            },
        });
    }
    limits
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn advice(limits: &[Limit], backend: bool) -> Vec<String> {
    let value = |name| limits.iter().find(|limit| limit.name == name).and_then(|limit| limit.value);
    let mut advice = Vec::new();
    if !backend {
        advice.push(
            "no backend can be set up: in a container, allow io_uring in its seccomp profile; else see \
             kernel.io_uring_disabled and the kernel's version (5.19 or newer is needed)"
                .into(),
        );
    }
    let most_files = limits.iter().find(|limit| limit.name == "open files").and_then(|limit| limit.most);
    if most_files.is_some_and(|files| files < 4096) {
        advice.push("the limit of open files is low for a server: raise it (ulimit -n, LimitNOFILE= in a unit)".into());
    }
    if value("listen backlog (net.core.somaxconn)").is_some_and(|backlog| backlog < 1024) {
        advice.push(
            "the listen backlog is short: bursts of connections wait and retry (sysctl net.core.somaxconn)".into(),
        );
    }
    if advice.is_empty() {
        advice.push("nothing to mend".into());
    }
    advice
}

fn print(findings: &Findings) {
    println!("kernel   {}", findings.kernel);
    println!("backend  {} ({})", findings.backend.as_deref().unwrap_or("none"), findings.why);
    for feature in &findings.features {
        println!("  {} {}: {}", if feature.used { "+" } else { "-" }, feature.name, feature.why);
    }
    println!("limits");
    for limit in &findings.limits {
        let value = limit.value.map_or("unlimited".into(), |value| value.to_string());
        let most = limit.most.map_or(String::new(), |most| format!(" (may be raised to {most})"));
        println!("  {}: {value}{most}: {}", limit.name, limit.meaning);
    }
    println!("advice");
    for line in &findings.advice {
        println!("  {line}");
    }
}
