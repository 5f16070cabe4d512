//! The configuration, read again while the server runs: what has changed in its file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::{ArgMatches, Command};

use super::file::LISTENER;
use super::keys;
use super::reading::{self, Read};
use super::refused::Refused;
use super::show;

static STARTED: OnceLock<Started> = OnceLock::new();

/// How the server was started.
struct Started {
    definition: Command,
    words: Vec<OsString>,
    in_force: Mutex<InForce>,
}

/// Values, by the names of their keys. Those of tables are under the name of the table.
type InForce = BTreeMap<String, String>;

/// A configuration that was read again.
pub(crate) struct Again {
    /// As clap reads the options of the server.
    pub(crate) matches: ArgMatches,
    /// The keys that are not as they are in force, and tables such as `[[listener]] 2`.
    pub(crate) changed: BTreeSet<String>,
    values: InForce,
}

/// A server begins with this configuration. One without a file has nothing to read again.
pub(crate) fn begins_with(definition: &Command, words: &[OsString], read: &Read) {
    if read.has_file {
        let in_force = Mutex::new(values(definition, read));
        let _ = STARTED.set(Started { definition: definition.clone(), words: words.to_vec(), in_force });
    }
}

/// Whether there is a file to read again.
pub(crate) fn can_be_read_again() -> bool {
    STARTED.get().is_some()
}

/// Reads the file again, with the variables and flags of the start. `None` if there is none.
pub(crate) fn read_again() -> Result<Option<Again>, Refused> {
    let Some(started) = STARTED.get() else { return Ok(None) };
    let read = reading::read(&started.definition, &started.words)?;
    let values = values(&started.definition, &read);
    let in_force = started.in_force();
    let keys = values.keys().chain(in_force.keys());
    let changed = keys.filter(|key| values.get(*key) != in_force.get(*key)).cloned().collect();
    let matches = read.matches.subcommand().map(|(_, matches)| matches.clone()).unwrap_or_default();
    Ok(Some(Again { matches, changed, values }))
}

impl Started {
    fn in_force(&self) -> std::sync::MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Again {
    /// These keys are in force now as they were read; the others still differ.
    pub(crate) fn is_in_force(&self, keys: &[&str]) {
        let Some(started) = STARTED.get() else { return };
        let mut in_force = started.in_force();
        for key in keys {
            match self.values.get(*key) {
                Some(value) => in_force.insert((*key).to_owned(), value.clone()),
                None => in_force.remove(*key),
            };
        }
    }

    /// A key and its value.
    pub(crate) fn shown(&self, key: &str) -> String {
        match self.values.get(key) {
            Some(value) => format!("{key} = {value}"),
            None => format!("{key} is not set"),
        }
    }
}

/// All that is set, however.
fn values(definition: &Command, read: &Read) -> InForce {
    let Some((name, matches)) = read.matches.subcommand() else { return InForce::new() };
    let keys = definition.find_subcommand(name).map(keys::of).unwrap_or_default();
    let mut values: InForce =
        keys.iter().filter_map(|key| Some((key.name.clone(), show::in_force(key, matches)?))).collect();
    for (index, table) in read.tables.iter().enumerate() {
        let settings = table.settings.settings.iter();
        let lines: Vec<String> =
            settings.map(|setting| format!("{} = {}", setting.key.name, setting.values.join(", "))).collect();
        values.insert(format!("[[{LISTENER}]] {}", index + 1), lines.join("\n"));
    }
    values
}
