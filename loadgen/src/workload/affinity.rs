//! Which core a process runs on, and how many descriptors it may hold.

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The set that holds `core` alone. Fails where this process may not run there.
pub fn only(core: usize) -> Result<CpuSet> {
    let allowed = sched_getaffinity(None).context("reading the allowed cores")?;
    ensure!(
        core < CpuSet::MAX_CPU && allowed.is_set(core),
        "core {core} is not available: server and generator each need a core of their own \
         (see --server-core and --generator-core)"
    );
    let mut set = CpuSet::new();
    set.set(core);
    Ok(set)
}

/// Pins the calling thread, and what it starts from now on, to `core`.
pub fn pin(core: usize) -> Result<()> {
    sched_setaffinity(None, &only(core)?).with_context(|| format!("pinning to core {core}"))
}

/// The limit on open descriptors.
pub fn descriptor_limit() -> Result<usize> {
    usize::try_from(getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)).context("the limit on open descriptors")
}

/// Raises the limit on open descriptors as far as it goes; children inherit it.
pub fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).context("raising the limit on open descriptors")
}
