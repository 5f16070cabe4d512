//! The names that a file and the environment may use: those of the flags of a command.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};

/// Flags of one start, which a file cannot set.
pub(super) const FILE: &str = "config";
const CHECK: &str = "check";

/// How like a name must be to be taken for what was meant: from 0 to 1, by Jaro and Winkler.
const NEAR: f64 = 0.8;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is there or not.
    Switch,
    One,
    /// It may be there without a value.
    Optional,
    Many,
}

#[derive(Clone)]
pub(super) struct Key {
    pub(super) name: String,
    /// By which clap knows it.
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Its value is a path.
    pub(super) is_path: bool,
    /// Its heading in the help.
    pub(super) heading: String,
}

/// The keys of a command, in the order of its help.
pub(super) fn of(command: &Command) -> Vec<Key> {
    command.get_arguments().filter_map(key).filter(|key| key.name != FILE && key.name != CHECK).collect()
}

fn key(arg: &Arg) -> Option<Key> {
    let kind = match arg.get_action() {
        ArgAction::SetTrue => Kind::Switch,
        ArgAction::Append => Kind::Many,
        ArgAction::Set if arg.get_num_args().is_some_and(|count| count.min_values() == 0) => Kind::Optional,
        ArgAction::Set => Kind::One,
        _ => return None,
    };
    let is_path = arg.get_value_parser().type_id() == ValueParser::path_buf().type_id();
    let heading = arg.get_help_heading().unwrap_or("Options").to_owned();
    Some(Key { name: arg.get_long()?.to_owned(), id: arg.get_id().to_string(), kind, is_path, heading })
}

/// Whether a command takes its options from a file too.
pub(super) fn has_file(command: &Command) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some(FILE))
}

/// The variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("PROACTOR_{}", key.to_ascii_uppercase().replace('-', "_"))
}

/// The name that was probably meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(name, known);
    let near = known.map(|known| (likeness(known), known)).filter(|(likeness, _)| *likeness >= NEAR);
    near.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let known = ["max-sessions", "max-sessions-per-ip", "tls-cert", "tls-key", "listen", "websocket"];
        for (name, meant) in [
            ("max-sesions", Some("max-sessions")),
            ("max_sessions_per_ip", Some("max-sessions-per-ip")),
            ("tls-certificate", Some("tls-cert")),
            ("listne", Some("listen")),
            ("web-socket", Some("websocket")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), meant, "{name}");
        }
        assert_eq!(variable("max-sessions-per-ip"), "PROACTOR_MAX_SESSIONS_PER_IP");
    }
}
