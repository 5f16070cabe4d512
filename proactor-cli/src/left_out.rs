//! What this program was built without.

use clap::error::{ContextKind, ContextValue};

/// A feature, and the options and commands that come with it.
struct Feature {
    name: &'static str,
    is_in: bool,
    words: &'static [&'static str],
}

const FEATURES: [Feature; 3] = [
    Feature { name: "cluster", is_in: cfg!(feature = "cluster"), words: &["--cluster", "--node"] },
    Feature { name: "top", is_in: cfg!(feature = "top"), words: &["top"] },
    Feature { name: "otel", is_in: cfg!(feature = "otel"), words: &["--otlp"] },
];

/// How to get what somebody asked for, if it is unknown only because it was left out.
pub(crate) fn remedy(error: &clap::Error) -> Option<String> {
    let asked =
        [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].iter().find_map(|kind| match error.get(*kind) {
            Some(ContextValue::String(word)) => Some(word.as_str()),
            _ => None,
        })?;
    let feature = FEATURES.iter().find(|feature| !feature.is_in && feature.words.contains(&asked))?;
    Some(format!(
        "This program was built without {asked}. Build it with the feature {name}: \
         cargo run --release --features {name} -- ...",
        name = feature.name
    ))
}
