//! Where a rule runs: a backend, a kind of connection, and on the simulated network a seed.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use overlapped::report::Backend;
use overlapped::sim::Network;
use overlapped::{Driver, DriverConfig};

use super::bench::Bench;
use super::peers::Transport;

/// Names the backends that this machine does not have, separated by commas:
/// `PROACTOR_TEST_WITHOUT=uring`. Their tests then pass without running.
const WITHOUT: &str = "PROACTOR_TEST_WITHOUT";

/// On how many simulated networks each rule runs.
const SEEDS: u64 = 10;

/// Where a rule runs.
pub(crate) struct On {
    pub(crate) backend: Backend,
    pub(crate) transport: Transport,
    /// Whether it is the simulated network.
    pub(crate) network: Option<Network>,
    /// Streams are direct descriptors.
    pub(crate) direct: bool,
}

impl On {
    pub(crate) fn new(backend: Backend) -> On {
        On { backend, transport: Transport::Tcp, network: None, direct: false }
    }

    /// The same, with connections of another kind.
    #[cfg_attr(windows, allow(dead_code, reason = "connections of another kind are those of Unix"))]
    pub(crate) fn over(&self, transport: Transport) -> On {
        On { transport, network: self.network.clone(), direct: self.direct, ..On::new(self.backend) }
    }

    /// The backend's name, as in the names of tests.
    #[cfg_attr(windows, allow(dead_code, reason = "connections of another kind are those of Unix"))]
    pub(crate) fn name(&self) -> &'static str {
        if self.direct { DIRECT } else { name(self.backend) }
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.backend == Backend::Sim
    }

    /// More bytes than a connection takes while its other end does not read.
    pub(crate) fn flood(&self) -> usize {
        if self.is_simulated() { 1 << 20 } else { 64 << 20 }
    }

    /// That many bytes on a real system; fewer on the simulated network, which runs many seeds.
    pub(crate) fn many(&self, bytes: usize) -> usize {
        if self.is_simulated() { bytes / 64 } else { bytes }
    }

    pub(crate) fn config(&self) -> DriverConfig {
        DriverConfig::new().backend(self.backend).network(self.network.clone()).direct_descriptors(self.direct)
    }

    /// A driver, and what a test needs around it.
    pub(crate) fn bench(&self) -> Bench {
        self.bench_with(self.config())
    }

    /// The same with other limits than those of [`config`](On::config).
    pub(crate) fn bench_with(&self, config: DriverConfig) -> Bench {
        Bench::new(Driver::new(config).unwrap(), self)
    }
}

/// Runs a rule on a backend, or on the simulated network with many seeds.
pub(crate) fn run(backend: Backend, rule: impl Fn(&On)) {
    if backend == Backend::Sim {
        each_seed(|network| rule(&On { network: Some(network), ..On::new(backend) }));
    } else if is_there(backend) {
        rule(&On::new(backend));
    }
}

/// io_uring with direct descriptors, in the names of tests and in `PROACTOR_TEST_WITHOUT`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "io_uring is Linux's"))]
const DIRECT: &str = "uring_direct";

/// Runs a rule on io_uring with direct descriptors.
#[cfg(target_os = "linux")]
pub(crate) fn run_direct(rule: impl Fn(&On)) {
    let on = On { direct: true, ..On::new(Backend::Uring) };
    if is_there(Backend::Uring) && can_be_had(DIRECT, &on) {
        rule(&on);
    }
}

/// Runs something on simulated networks with different seeds. A failure names the seed.
pub(crate) fn each_seed(run: impl Fn(Network)) {
    struct Seed(u64);
    impl Drop for Seed {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("on the simulated network with seed {}", self.0);
            }
        }
    }
    for seed in 0..SEEDS {
        let seed = Seed(seed);
        run(Network::new(seed.0));
    }
}

/// Whether tests can run on a backend. A backend that cannot be set up fails them, unless
/// `PROACTOR_TEST_WITHOUT` names it; a note is then printed once.
pub(crate) fn is_there(backend: Backend) -> bool {
    can_be_had(name(backend), &On::new(backend))
}

fn can_be_had(name: &str, on: &On) -> bool {
    static TRIED: Mutex<BTreeMap<String, Result<bool, String>>> = Mutex::new(BTreeMap::new());
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    let found = tried.entry(name.to_owned()).or_insert_with(|| {
        let Err(error) = Driver::new(on.config()) else { return Ok(true) };
        let without = std::env::var(WITHOUT).unwrap_or_default();
        if !without.split(',').any(|without| without.trim() == name) {
            return Err(error.to_string());
        }
        // Around the test harness, which hides the output of tests that pass.
        let _ = writeln!(std::io::stderr(), "\nNOT RUN on {name}, as {WITHOUT} says: {error}");
        Ok(false)
    });
    match found {
        Ok(there) => *there,
        Err(error) => panic!("{name} cannot be had here, and {WITHOUT} does not name it: {error}"),
    }
}

fn name(backend: Backend) -> &'static str {
    match backend {
        Backend::Uring => "uring",
        Backend::Poll => "poll",
        Backend::Winsock => "winsock",
        _ => "sim",
    }
}

/// Whether this is Wine, which differs from Windows in one expectation; the reason is for the
/// reader. Never true on another system.
pub(crate) fn wine_departs(_reason: &str) -> bool {
    #[cfg(windows)]
    {
        #[link(name = "kernel32")]
        unsafe extern "system" {
            fn GetModuleHandleA(name: *const u8) -> *mut std::ffi::c_void;
            fn GetProcAddress(module: *mut std::ffi::c_void, name: *const u8) -> *mut std::ffi::c_void;
        }
        // SAFETY: plain calls with texts that end in a zero. Every process has the module, and its
        // handle need not be released.
        unsafe {
            !GetProcAddress(GetModuleHandleA(c"ntdll.dll".as_ptr().cast()), c"wine_get_version".as_ptr().cast())
                .is_null()
        }
    }
    #[cfg(not(windows))]
    false
}
