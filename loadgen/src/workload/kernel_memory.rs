//! The kernel's memory, of the whole machine: sockets, requests and descriptors are in it.

use std::fs;

use anyhow::{Context, Result};

/// Slabs and page tables, and what the kernel maps for itself (the tables of direct descriptors).
const PARTS: [&str; 3] = ["Slab:", "PageTables:", "VmallocUsed:"];

/// In bytes. What else the machine does is in it too.
pub(super) fn used() -> Result<u64> {
    const PATH: &str = "/proc/meminfo";
    let text = fs::read_to_string(PATH).context(PATH)?;
    sum(&text).with_context(|| format!("{PATH} has not all of {PARTS:?}"))
}

/// Bytes that can be had without taking any from others.
pub(super) fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    super::cpu_clock::bytes_of(&text, "MemAvailable:")
}

fn sum(text: &str) -> Option<u64> {
    PARTS.iter().map(|part| super::cpu_clock::bytes_of(text, part)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_added_up() {
        let text = "MemFree: 7 kB\nSlab:  100 kB\nPageTables: 20 kB\nVmallocUsed: 3 kB\n";
        assert_eq!(sum(text), Some(123 * 1024));
        assert_eq!(sum("Slab: 1 kB\n"), None);
        assert!(used().unwrap() > 0 && available().is_some_and(|bytes| bytes > 0));
    }
}
