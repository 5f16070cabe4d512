//! What the driver's report says of this backend.

use crate::report::Feature;

pub(super) fn features(has_large: bool) -> Vec<Feature> {
    let system = if cfg!(target_os = "linux") { "edge-triggered epoll" } else { "edge-triggered kqueue" };
    vec![
        Feature { name: system, used: true, why: "each socket is registered once, for both directions".to_owned() },
        Feature {
            name: "operation first",
            used: true,
            why: "an operation waits for readiness only if the system has nothing for it; after a short receive, no \
                  second one is tried"
                .to_owned(),
        },
        Feature {
            name: "large buffers for streams",
            used: has_large,
            why: if has_large { "one call receives up to 64 KiB" } else { "the pool is smaller than 1 MiB" }.to_owned(),
        },
    ]
}
