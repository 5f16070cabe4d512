//! What this program was built without.

use clap::error::{ContextKind, ContextValue};

/// A feature, and the options and commands that come with it.
struct Feature {
    name: &'static str,
    is_in: bool,
    /// The servers that have its options.
    servers: &'static [&'static str],
    words: &'static [&'static str],
}

static FEATURES: [Feature; 3] = [
    Feature {
        name: "cluster",
        is_in: cfg!(feature = "cluster"),
        servers: &["chat"],
        words: &["--cluster", "--node", "--cluster-credentials", "--cluster-ca", "--cluster-prefix"],
    },
    Feature { name: "top", is_in: cfg!(feature = "top"), servers: &[], words: &["top"] },
    Feature { name: "otel", is_in: cfg!(feature = "otel"), servers: &["echo", "chat", "proxy"], words: &["--otlp"] },
];

/// How to get what somebody asked for, if it is unknown only because it was left out.
pub(crate) fn remedy(error: &clap::Error) -> Option<String> {
    let asked =
        [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].iter().find_map(|kind| match error.get(*kind) {
            Some(ContextValue::String(word)) => Some(word.as_str()),
            _ => None,
        })?;
    let feature = FEATURES.iter().find(|feature| !feature.is_in && feature.words.contains(&asked))?;
    Some(feature.how_to_get(asked))
}

/// How to get an option that a server's file sets, if it was left out.
pub(crate) fn remedy_of_key(server: &str, key: &str) -> Option<String> {
    options_of(server)
        .into_iter()
        .find(|(option, _)| option == &key)
        .map(|(option, feature)| feature.how_to_get(option))
}

/// The options that were left out of a server, without their dashes.
pub(crate) fn options(server: &str) -> Vec<&'static str> {
    options_of(server).into_iter().map(|(option, _)| option).collect()
}

fn options_of(server: &str) -> Vec<(&'static str, &'static Feature)> {
    let of_server = |feature: &&Feature| !feature.is_in && feature.servers.contains(&server);
    let features = FEATURES.iter().filter(of_server);
    features
        .flat_map(|feature| feature.words.iter().map(move |word| (word.trim_start_matches("--"), feature)))
        .collect()
}

impl Feature {
    fn how_to_get(&self, asked: &str) -> String {
        format!(
            "this program was built without {asked}: build it with `cargo build --release --features {name}`",
            name = self.name
        )
    }
}
