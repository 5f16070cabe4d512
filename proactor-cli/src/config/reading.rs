//! Reads a command line, with the file and the variables that it means.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::file::{COMMAND, ConfigFile};
use super::keys::{self, Key};
use super::refused::{Fault, Refused};
use super::settings::{self, Settings};
use crate::left_out;
use crate::listeners::{self, ListenerTable, Listeners};

/// The option whose addresses stand beside those of tables.
pub(super) const ADDRESSES: &str = "listen";

/// A command line that was read.
pub(crate) struct Read {
    pub(crate) matches: ArgMatches,
    pub(crate) listeners: Listeners,
    /// Whether a file was read.
    pub(super) has_file: bool,
    /// Variables that are probably misspelt.
    pub(crate) warnings: Vec<String>,
    pub(super) settings: Settings,
    pub(super) tables: Vec<Table>,
}

/// What a `[[listener]]` table sets.
pub(super) struct Table {
    pub(super) place: String,
    pub(super) settings: Settings,
}

/// Reads a command line.
pub(crate) fn read(definition: &Command, words: &[OsString]) -> Result<Read, Refused> {
    let server = words.get(1).and_then(|name| server(definition, name)).filter(|_| !words.iter().any(is_help));
    match server {
        Some(server) => Server::new(definition, server, words).read(),
        None => {
            let matches = definition.clone().try_get_matches_from(words)?;
            let listeners = Listeners::default();
            let settings = Settings::default();
            Ok(Read { matches, listeners, has_file: false, warnings: Vec::new(), settings, tables: Vec::new() })
        }
    }
}

/// The command of this name, if it is a server.
pub(super) fn server<'a>(definition: &'a Command, name: &OsStr) -> Option<&'a Command> {
    definition.find_subcommand(name).filter(|command| keys::has_file(command))
}

pub(super) fn servers(definition: &Command) -> impl Iterator<Item = &Command> {
    definition.get_subcommands().filter(|command| keys::has_file(command))
}

fn is_help(word: &OsString) -> bool {
    word == "--help" || word == "-h"
}

struct Server<'a> {
    definition: &'a Command,
    name: &'a str,
    keys: Vec<Key>,
    /// The flags of the command line.
    flags: BTreeSet<String>,
    before: &'a [OsString],
    after: &'a [OsString],
}

impl<'a> Server<'a> {
    fn new(definition: &'a Command, server: &'a Command, words: &'a [OsString]) -> Server<'a> {
        let (before, after) = words.split_at(2);
        Server {
            definition,
            name: server.get_name(),
            keys: keys::of(server),
            flags: settings::flags(after),
            before,
            after,
        }
    }

    fn read(&self) -> Result<Read, Refused> {
        let mut settings = Settings::default();
        settings.take_variables(&self.keys, &self.flags, |name| std::env::var_os(name));
        settings.faults.extend(self.left_out_variables());
        let file = self.file()?;
        let mut tables = Vec::new();
        let mut listeners = Listeners::default();
        if let Some(file) = &file {
            self.take_file(file, &mut settings)?;
            for table in &file.listeners {
                let mut of_table = Settings::default();
                let found = self.table(file, table, &mut of_table);
                settings.faults.append(&mut of_table.faults);
                match found {
                    Ok(table) => listeners.tables.push(table),
                    Err(mut faults) => settings.faults.append(&mut faults),
                }
                tables.push(Table { place: file.place(table.line), settings: of_table });
            }
        }
        let matches = settings.parse(self.definition, self.before, self.after).map_err(|refused| match &file {
            Some(file) => self.name_what_is_missing(file, refused),
            None => refused,
        })?;
        let of_server = matches.subcommand_matches(self.name);
        let has_addresses = of_server.and_then(|matches| matches.value_source(ADDRESSES));
        listeners.are_alone = !listeners.tables.is_empty() && has_addresses != Some(ValueSource::CommandLine);
        let has_file = file.is_some();
        Ok(Read { matches, listeners, has_file, warnings: self.misspelt(), settings, tables })
    }

    /// The file that the command line or the environment names.
    fn file(&self) -> Result<Option<ConfigFile>, Refused> {
        let flag = settings::value_among(self.after, keys::FILE);
        let path = flag.or_else(|| std::env::var_os(keys::variable(keys::FILE)).filter(|path| !path.is_empty()));
        Ok(path.map(|path| ConfigFile::read(Path::new(&path))).transpose()?)
    }

    fn take_file(&self, file: &ConfigFile, settings: &mut Settings) -> Result<(), Refused> {
        settings.faults.extend(file.faults.iter().cloned());
        if let Some((command, line)) = file.command.as_ref().filter(|(command, _)| command != self.name) {
            let fault =
                format!("{COMMAND} = {command:?}, and `proactor {}` reads it: give it a file of its own", self.name);
            return Err(file.fault(*line, &fault).into());
        }
        let of_listeners = self.listener_keys();
        let all = format!("`proactor {} --help` lists all that there are", self.name);
        settings.take_entries(file, &file.entries, (&self.keys, &self.flags), |key| {
            let is_of_listener = of_listeners.iter().any(|known| known.name == key);
            (self.sure_remedy(key, is_of_listener), all.clone())
        });
        Ok(())
    }

    /// What to do about a key that is unknown here and known elsewhere.
    fn sure_remedy(&self, key: &str, is_of_listener: bool) -> Option<String> {
        if key == keys::FILE {
            return Some("a file cannot name another one".into());
        }
        if let Some(remedy) = left_out::remedy_of_key(self.name, key) {
            return Some(remedy);
        }
        if is_of_listener {
            return Some("it is for one listener: write it in a [[listener]] table".into());
        }
        let has_it = |command: &&Command| keys::of(command).iter().any(|known| known.name == key);
        let other = servers(self.definition).find(has_it)?;
        Some(format!("it is for `proactor {}`, and this file is for {}", other.get_name(), self.name))
    }

    fn has_packets(&self) -> bool {
        self.keys.iter().any(|key| key.name == "codec")
    }

    fn listener_keys(&self) -> Vec<Key> {
        keys::of(&listeners::definition(self.has_packets()))
    }

    fn table(
        &self,
        file: &ConfigFile,
        table: &super::file::Listener,
        settings: &mut Settings,
    ) -> Result<ListenerTable, Vec<Fault>> {
        let (keys, none) = (self.listener_keys(), BTreeSet::new());
        let all: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        settings.take_entries(file, &table.entries, (&keys, &none), |key| {
            let is_of_server = self.keys.iter().any(|known| known.name == key);
            let sure = "it is for the whole server: write it above the first [[listener]]";
            (is_of_server.then(|| sure.to_owned()), format!("a listener has {}", all.join(", ")))
        });
        let definition = listeners::definition(self.has_packets());
        let faults = |refused| match refused {
            Refused::Faults(faults) => faults,
            Refused::Usage(error) => vec![file.fault(table.line, &lack(&error))],
        };
        let matches = settings.parse(&definition, &[], &[]).map_err(faults)?;
        let made = ListenerTable::new(&matches, self.has_packets(), file.place(table.line));
        made.map_err(|error| vec![file.fault(table.line, &error.to_string())])
    }

    /// What clap misses may be missing in the file.
    fn name_what_is_missing(&self, file: &ConfigFile, refused: Refused) -> Refused {
        let Refused::Usage(error) = &refused else { return refused };
        match settings::missing(error) {
            missing if missing.is_empty() => refused,
            missing => {
                let (path, missing) = (file.path.display(), missing.join(", "));
                Fault::from(format!("{path}: {missing} is missing: set it, or remove what needs it")).into()
            }
        }
    }

    /// Without the feature, the server would be another one than its environment asks for.
    fn left_out_variables(&self) -> Vec<Fault> {
        let is_set = |variable: &String| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
        let fault = |option: &str| {
            let variable = Some(keys::variable(option)).filter(is_set)?;
            let remedy = left_out::remedy_of_key(self.name, option)?;
            Some(format!("{variable}: {remedy}, or unset the variable").into())
        };
        left_out::options(self.name).into_iter().filter_map(fault).collect()
    }

    /// Variables that no server knows, and whose name is near to one that is known.
    fn misspelt(&self) -> Vec<String> {
        let mut known: Vec<String> = vec![keys::variable(keys::FILE)];
        known.extend(servers(self.definition).flat_map(keys::of).map(|key| keys::variable(&key.name)));
        let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let unknown = set.filter(|name| name.starts_with("PROACTOR_") && !known.contains(name));
        let warning = |name: String| {
            let own = name.trim_start_matches("PROACTOR_");
            let known = known.iter().map(|known| known.trim_start_matches("PROACTOR_"));
            let near = keys::nearest(own, known)?;
            Some(format!("the variable {name} is not known: did you mean PROACTOR_{near}?"))
        };
        unknown.filter_map(warning).collect()
    }
}

/// What a listener lacks, as far as clap can say.
fn lack(error: &clap::Error) -> String {
    match settings::missing(error) {
        missing if missing.is_empty() => error.to_string(),
        missing => format!("the listener needs {} too", missing.join(", ")),
    }
}

/// The server that a file says it is for.
pub(super) fn command_of(definition: &Command, path: &Path) -> Result<String, Refused> {
    let file = ConfigFile::read(path)?;
    if !file.faults.is_empty() {
        return Err(Refused::Faults(file.faults));
    }
    let names: Vec<&str> = servers(definition).map(Command::get_name).collect();
    match &file.command {
        Some((name, _)) if names.contains(&name.as_str()) => Ok(name.clone()),
        Some((name, line)) => {
            let fault = format!("{COMMAND} = {name:?}: write one of {}", names.join(", "));
            Err(file.fault(*line, &fault).into())
        }
        None => {
            let (path, first, all) = (path.display(), names.first().unwrap_or(&""), names.join(", "));
            let fault = format!(
                "{path}: it does not say which server it is for: add {COMMAND} = \"{first}\", or another of {all}"
            );
            Err(Fault::from(fault).into())
        }
    }
}
