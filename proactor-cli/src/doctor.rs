//! `proactor doctor`: what a server can use on this machine, and which limits it will meet.

use std::error::Error;
use std::fmt;

use clap::Args;
use overlapped::report::{Backend, Report};
use overlapped::{Driver, DriverConfig, ErrorKind};
use serde::Serialize;

use crate::backend::{self, BackendChoice};
use crate::printing::product;
use crate::system::{self, BACKLOG, Limit, OPEN_FILES, RAISE_FILES};

/// Shows what a server can use on this machine: kernel, backends, features, limits, advice.
#[derive(Args)]
#[command(
    long_about = "Shows what a server can use on this machine: the kernel, the backend and why it was chosen, which of its features are used \
                  and why, whether the other backends work, the limits that a server will meet, and advice. Exits with 1 if the backend cannot be set \
                  up.",
    after_help = backend::ENVIRONMENT
)]
pub(crate) struct Doctor {
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
    /// The backend to examine.
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto)]
    backend: BackendChoice,
}

#[derive(Serialize)]
struct Findings {
    kernel: String,
    /// The chosen backend; absent if it cannot be set up.
    backend: Option<String>,
    /// Why it was chosen, or why it cannot be set up.
    why: String,
    features: Vec<Feature>,
    /// All backends of this system, the best first.
    backends: Vec<Candidate>,
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
struct Candidate {
    name: String,
    usable: bool,
    /// Why it is not usable; absent if it is.
    why_not: Option<String>,
    #[serde(skip)]
    remedy: Option<&'static str>,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let made = report(self.backend.backend());
        let findings = examine(made.as_ref());
        if self.json {
            product(&(serde_json::to_string_pretty(&findings)? + "\n"))?;
        } else {
            product(&text(&findings))?;
        }
        made.map(drop).map_err(|error| format!("{error}{}", self.backend.remedy(&error)).into())
    }
}

fn report(backend: Option<Backend>) -> Result<Report, overlapped::Error> {
    let config = DriverConfig::new().backend(backend);
    Driver::new(config).map(|driver| driver.report().clone())
}

fn examine(made: Result<&Report, &overlapped::Error>) -> Findings {
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
    let backends: Vec<Candidate> = Backend::of_this_system().iter().map(|&backend| candidate(backend)).collect();
    let limits = system::limits();
    let mut advice = advice(&limits, &backends);
    advice.splice(..0, made.err().map(|_| backend::advice()));
    if advice.is_empty() {
        advice.push("nothing to change".into());
    }
    Findings { kernel: system::name(), backend, why, features, backends, limits, advice }
}

fn candidate(backend: Backend) -> Candidate {
    let (why_not, remedy) = match report(Some(backend)) {
        Ok(_) => (None, None),
        Err(error) => (Some(error.to_string()), Some(remedy(backend, error.kind()))),
    };
    Candidate { name: backend.to_string(), usable: why_not.is_none(), why_not, remedy }
}

fn remedy(backend: Backend, kind: ErrorKind) -> &'static str {
    match (backend, kind) {
        (Backend::Uring, ErrorKind::NotPermitted) => {
            "io_uring costs less CPU. To use it in a container, allow it in the seccomp profile (Docker: --security-opt \
             seccomp=FILE); elsewhere set sysctl kernel.io_uring_disabled=0"
        }
        (Backend::Uring, ErrorKind::Unsupported) => "io_uring costs less CPU. To use it, run Linux 5.19 or newer",
        (Backend::Uring, ErrorKind::OutOfMemory) => {
            "io_uring costs less CPU. To use it, raise the limit of locked memory (ulimit -l, LimitMEMLOCK= in a unit)"
        }
        (_, ErrorKind::TooManyFiles) => {
            "no descriptor was left to try the backend: raise the limit of open files (ulimit -n)"
        }
        _ => "a backend cannot be set up for an unusual reason: see its error above",
    }
}

fn advice(limits: &[Limit], backends: &[Candidate]) -> Vec<String> {
    let limit = |name| limits.iter().find(|limit| limit.name == name);
    let mut advice: Vec<String> = backends.iter().filter_map(|backend| backend.remedy.map(str::to_owned)).collect();
    advice.dedup();
    if limit(OPEN_FILES).and_then(|limit| limit.most).is_some_and(|files| files < 4096) {
        advice.push(format!("the limit of open files is low for a server: {RAISE_FILES}"));
    }
    if limit(BACKLOG).and_then(|limit| limit.value).is_some_and(|backlog| backlog < 1024) {
        advice.push(
            "the listen backlog is short, so bursts of connections have to retry: raise it (sysctl net.core.somaxconn)"
                .into(),
        );
    }
    advice
}

fn text(findings: &Findings) -> String {
    let mut text = String::new();
    let mut line = |line: fmt::Arguments<'_>| text.push_str(&format!("{line}\n"));
    line(format_args!("kernel   {}", findings.kernel));
    line(format_args!("backend  {} ({})", findings.backend.as_deref().unwrap_or("none"), findings.why));
    for feature in &findings.features {
        line(format_args!("  {} {}: {}", if feature.used { "+" } else { "-" }, feature.name, feature.why));
    }
    line(format_args!("backends"));
    for backend in &findings.backends {
        line(format_args!("  {}: {}", backend.name, backend.why_not.as_deref().unwrap_or("works")));
    }
    line(format_args!("limits"));
    if findings.limits.is_empty() {
        line(format_args!("  none that matter to a server"));
    }
    for limit in &findings.limits {
        let value = limit.value.map_or("unlimited".into(), |value| value.to_string());
        let higher = limit.most.filter(|most| limit.value.is_some_and(|value| value < *most));
        let most = higher.map_or(String::new(), |most| format!(" (may be raised to {most})"));
        line(format_args!("  {}: {value}{most} - {}", limit.name, limit.meaning));
    }
    line(format_args!("advice"));
    for advice in &findings.advice {
        line(format_args!("  {advice}"));
    }
    text
}
