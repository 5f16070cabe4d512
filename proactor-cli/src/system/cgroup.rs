//! What the control groups of a process allow it: the CPU time and the memory of a container or a
//! unit. Version 2 (`cpu.max`, `memory.max`) and version 1 (`cpu.cfs_quota_us`,
//! `memory.limit_in_bytes`).
//!
//! A limit holds for all groups below it, so those of the parents count too, as far as they are to
//! be seen here: in a container they mostly are not, and the container's group looks like the root.

use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// In thousandths of a CPU.
    pub(crate) milli_cpus: Option<u64>,
    /// In bytes.
    pub(crate) memory: Option<u64>,
}

impl Allowed {
    pub(crate) fn of_this_process() -> Allowed {
        Allowed::found(|path| std::fs::read_to_string(path).ok())
    }

    fn found(read: impl Fn(&Path) -> Option<String>) -> Allowed {
        let text = |path: &str| read(Path::new(path)).unwrap_or_default();
        let (groups, mounts) = (text("/proc/self/cgroup"), text("/proc/self/mountinfo"));
        let mut allowed = Allowed::default();
        for mount in mounts.lines().filter_map(Mount::read) {
            let Some(group) = mount.group(&groups) else { continue };
            for directory in mount.directories(group) {
                let file = |name: &str| read(&directory.join(name));
                allowed.milli_cpus = least(allowed.milli_cpus, mount.milli_cpus(&file));
                allowed.memory = least(allowed.memory, mount.memory(&file));
            }
        }
        allowed
    }

    /// CPUs that can be busy at once: a part of one is worth a thread too.
    pub(crate) fn cpus(&self) -> Option<usize> {
        let cpus = self.milli_cpus?.div_ceil(1000).max(1);
        Some(usize::try_from(cpus).unwrap_or(usize::MAX))
    }
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Where a hierarchy of groups is mounted.
struct Mount<'m> {
    version: Version,
    /// Of version 1: `rw,cpu,cpuacct`.
    options: &'m str,
    /// The group that is seen at its top.
    root: &'m str,
    top: PathBuf,
}

impl<'m> Mount<'m> {
    /// Reads a line of `mountinfo`: see proc(5).
    fn read(line: &'m str) -> Option<Mount<'m>> {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let version = match kind.next()? {
            "cgroup2" => Version::Two,
            "cgroup" => Version::One,
            _ => return None,
        };
        let options = kind.nth(1)?;
        let mut place = place.split(' ').skip(3);
        Some(Mount { version, options, root: place.next()?, top: PathBuf::from(place.next()?) })
    }

    fn has(&self, controller: &str) -> bool {
        self.version == Version::Two || self.options.split(',').any(|option| option == controller)
    }

    /// The group of the process in this hierarchy, of the lines of `/proc/self/cgroup`.
    fn group<'g>(&self, groups: &'g str) -> Option<&'g str> {
        groups.lines().find_map(|line| {
            let (number, rest) = line.split_once(':')?;
            let (controllers, group) = rest.split_once(':')?;
            let is_it = match self.version {
                Version::Two => number == "0" && controllers.is_empty(),
                Version::One => controllers.split(',').any(|name| ["cpu", "memory"].contains(&name) && self.has(name)),
            };
            is_it.then_some(group)
        })
    }

    /// The directories of the group and of its parents, as far as they are to be seen.
    fn directories(&self, group: &str) -> Vec<PathBuf> {
        let below = match self.root {
            "/" => group,
            // A group outside what is mounted here is not seen; what is mounted is its container's.
            root => group.strip_prefix(root).filter(|below| below.is_empty() || below.starts_with('/')).unwrap_or(""),
        };
        let below = Path::new(below.trim_start_matches('/'));
        let is_below = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let below = if is_below { below } else { Path::new("") };
        below.ancestors().map(|part| self.top.join(part)).collect()
    }

    fn milli_cpus(&self, file: &impl Fn(&str) -> Option<String>) -> Option<u64> {
        let (quota, period) = match self.version {
            Version::Two => {
                let max = file("cpu.max")?;
                let (quota, period) = max.trim().split_once(' ')?;
                (quota.parse().ok()?, period.parse().ok()?)
            }
            Version::One if self.has("cpu") => {
                (number(&file("cpu.cfs_quota_us")?)?, number(&file("cpu.cfs_period_us")?)?)
            }
            Version::One => return None,
        };
        milli_cpus(quota, period)
    }

    fn memory(&self, file: &impl Fn(&str) -> Option<String>) -> Option<u64> {
        match self.version {
            Version::Two => number(&file("memory.max")?),
            // Without a limit it is the largest number of whole pages.
            Version::One if self.has("memory") => {
                number(&file("memory.limit_in_bytes")?).filter(|bytes| *bytes < 1 << 62)
            }
            Version::One => None,
        }
    }
}

/// `max`, and -1 in version 1, are no number: there is no limit.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn milli_cpus(quota: u64, period: u64) -> Option<u64> {
    let thousandths = u128::from(quota) * 1000;
    (period > 0).then(|| u64::try_from(thousandths.div_ceil(u128::from(period))).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
