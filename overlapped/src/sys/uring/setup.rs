//! Setting a ring up with the best flags that this kernel knows: one rung of a ladder after the
//! other.

use io_uring::{Builder, IoUring};

use crate::error::{Action, Error};
use crate::options::BackendOptions;
use crate::report::{Backend, Feature, Report};

struct Rung {
    flags: fn(&mut Builder),
    names: [bool; 4],
}

const FLAGS: [(&str, &str); 4] = [
    ("IORING_SETUP_DEFER_TASKRUN", "each turn handles its completions in one batch (Linux 6.1)"),
    ("IORING_SETUP_SINGLE_ISSUER", "only one thread submits, which saves locking (Linux 6.0)"),
    ("IORING_SETUP_COOP_TASKRUN", "the kernel does not interrupt the running thread (Linux 5.19)"),
    ("IORING_SETUP_SUBMIT_ALL", "one bad request does not hold up those behind it (Linux 5.18)"),
];

const LADDER: [Rung; 4] = [
    Rung {
        flags: |b| {
            b.setup_single_issuer().setup_defer_taskrun().setup_submit_all();
        },
        names: [true, true, false, true],
    },
    Rung {
        flags: |b| {
            b.setup_single_issuer().setup_coop_taskrun().setup_submit_all();
        },
        names: [false, true, true, true],
    },
    Rung {
        flags: |b| {
            b.setup_coop_taskrun().setup_submit_all();
        },
        names: [false, false, true, true],
    },
    Rung { flags: |_| {}, names: [false; 4] },
];

/// Makes the ring; says whether its completions are deferred until the thread enters the kernel.
pub(super) fn ring(options: &BackendOptions, why: &str) -> Result<(IoUring, Report, bool), Error> {
    let mut refused = None;
    // One is kept for the wake-up, and a close may take two.
    let submissions = options.submissions.max(4);
    for rung in &LADDER {
        let mut builder = IoUring::builder();
        // Multishot requests bring many completions for one submission.
        builder.setup_clamp().setup_cqsize(submissions.saturating_mul(4).max(64));
        (rung.flags)(&mut builder);
        match builder.build(submissions) {
            Ok(ring) => {
                let report = Report { backend: Backend::Uring, why: why.to_owned(), features: features(rung) };
                return Ok((ring, report, rung.names[0]));
            }
            // This kernel does not know a flag. Try the next rung.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => refused = Some(error),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let error = refused.expect("the ladder has rungs");
    Err(Error::io(Action::Setup, &error).because(advice(error.raw_os_error())))
}

fn advice(code: Option<i32>) -> &'static str {
    match code {
        Some(libc::EPERM) => {
            "io_uring is refused here: by a container's seccomp profile (Docker's default does), or by kernel.io_uring_disabled"
        }
        Some(libc::ENOSYS) => "this kernel has no io_uring (Linux 5.19 or newer is needed)",
        Some(libc::ENOMEM) => "io_uring: the limit of locked memory is too low (ulimit -l), or memory is short",
        Some(libc::EMFILE | libc::ENFILE) => "io_uring: no descriptor is left for the ring (ulimit -n)",
        _ => "io_uring cannot be set up",
    }
}

fn features(rung: &Rung) -> Vec<Feature> {
    FLAGS
        .iter()
        .zip(rung.names)
        .map(|(&(name, good), used)| {
            let why = match used {
                true => good.to_owned(),
                false if name.ends_with("COOP_TASKRUN") && rung.names[0] => "not needed with DEFER_TASKRUN".to_owned(),
                false => format!("the kernel refused it: {good}"),
            };
            Feature { name, used, why }
        })
        .collect()
}
