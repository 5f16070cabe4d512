//! What the numbers were made on.

use std::fmt;
use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) architecture: String,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores, kernel, architecture } = self;
        write!(f, "{processor}, {cores} cores, {architecture}, {kernel}")
    }
}

impl Machine {
    pub(crate) fn this() -> Self {
        let uname = rustix::system::uname();
        Self {
            processor: processor().unwrap_or_else(|| "unknown processor".into()),
            cores: thread::available_parallelism().map_or(0, usize::from),
            kernel: format!("{} {}", uname.sysname().to_string_lossy(), release(&uname.release().to_string_lossy())),
            architecture: std::env::consts::ARCH.into(),
        }
    }
}

fn processor() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
}

/// The version without what a vendor appends to it.
fn release(full: &str) -> &str {
    full.split('-').next().unwrap_or(full)
}
