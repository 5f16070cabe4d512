//! What a file and the environment set, as arguments of the command.

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command};

use super::file::{ConfigFile, Entry, Value};
use super::keys::{self, Key, Kind};
use super::refused::{Fault, Refused};
use crate::backend;

/// The library reads this variable itself, and says so where it chooses a backend.
const BACKEND: &str = "backend";

/// One key that is set, and where.
pub(super) struct Setting {
    pub(super) key: Key,
    pub(super) values: Vec<String>,
    pub(super) source: Source,
}

pub(super) enum Source {
    Variable,
    File { place: String, line: usize },
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Variable => f.write_str(&keys::variable(&self.key.name)),
            Source::File { place, .. } => f.write_str(place),
        }
    }
}

impl Setting {
    /// As arguments. A switch that is off is none.
    fn arguments(&self) -> Vec<OsString> {
        let name = &self.key.name;
        match self.source {
            Source::Variable if name == BACKEND => Vec::new(),
            _ if self.key.kind == Kind::Switch => self.values.iter().map(|_| format!("--{name}").into()).collect(),
            _ => {
                let argument = |value: &String| match value.is_empty() && self.key.kind == Kind::Optional {
                    true => format!("--{name}").into(),
                    false => format!("--{name}={value}").into(),
                };
                self.values.iter().map(argument).collect()
            }
        }
    }

    /// A fault of it.
    fn fault(&self, value: &str, why: &str) -> Fault {
        match self.source {
            Source::Variable => format!("{self}={value}: {why}").into(),
            Source::File { line, .. } => Fault { line, text: format!("{self}: {} = {value:?}: {why}", self.key.name) },
        }
    }
}

/// What is set for a command, and what is wrong with that.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) settings: Vec<Setting>,
    pub(super) faults: Vec<Fault>,
    /// Values of the file that a flag or a variable overrides. They are checked all the same.
    overridden: Vec<Setting>,
}

impl Settings {
    /// Takes from the environment what the command line does not have. What a flag overrides may be
    /// wrong, so that a flag is a way out.
    pub(super) fn take_variables(
        &mut self,
        keys: &[Key],
        flags: &BTreeSet<String>,
        read: impl Fn(&str) -> Option<OsString>,
    ) {
        for key in keys.iter().filter(|key| !flags.contains(&key.name)) {
            let variable = keys::variable(&key.name);
            let Some(value) = read(&variable).filter(|value| !value.is_empty()) else { continue };
            let Ok(value) = value.into_string() else {
                self.faults.push(format!("{variable} is not UTF-8: write its value as text").into());
                continue;
            };
            if key.name == BACKEND
                && let Some(why) = backend::fault_of_variable(&value)
            {
                self.faults.push(format!("{variable}={value}: {why}").into());
                continue;
            }
            let values = match (key.kind, value.as_str()) {
                (Kind::Switch | Kind::Optional, "true" | "1") => vec![String::new()],
                (Kind::Switch | Kind::Optional, "false" | "0") => Vec::new(),
                (Kind::Switch, _) => {
                    self.faults.push(format!("{variable}={value}: write true or false").into());
                    continue;
                }
                (Kind::Many, list) => list.split(',').map(|value| value.trim().to_owned()).collect(),
                (Kind::One | Kind::Optional, _) => vec![value],
            };
            self.settings.push(Setting { key: key.clone(), values, source: Source::Variable });
        }
    }

    /// Takes what a file sets. `remedy` says what to do about a key that is unknown here: for sure,
    /// or if no known one is near to it.
    pub(super) fn take_entries(
        &mut self,
        file: &ConfigFile,
        entries: &[Entry],
        (keys, flags): (&[Key], &BTreeSet<String>),
        remedy: impl Fn(&str) -> (Option<String>, String),
    ) {
        for entry in entries {
            let Some(key) = keys.iter().find(|key| key.name == entry.key) else {
                let near = || {
                    let near = keys::nearest(&entry.key, keys.iter().map(|key| key.name.as_str()))?;
                    Some(format!("did you mean '{near}'?"))
                };
                let (sure, otherwise) = remedy(&entry.key);
                let remedy = sure.or_else(near).unwrap_or(otherwise);
                self.faults.push(file.fault(entry.line, &format!("unknown key '{}': {remedy}", entry.key)));
                continue;
            };
            match values(key, &entry.value) {
                Err(why) => self.faults.push(file.fault(entry.line, &format!("{}: {why}", key.name))),
                Ok(values) => {
                    let values = if key.is_path { beside(&file.path, values) } else { values };
                    let source = Source::File { place: file.place(entry.line), line: entry.line };
                    let is_set = self.settings.iter().any(|setting| setting.key.name == key.name);
                    let place = match is_set || flags.contains(&key.name) {
                        true => &mut self.overridden,
                        false => &mut self.settings,
                    };
                    place.push(Setting { key: key.clone(), values, source });
                }
            }
        }
    }

    /// Values that clap would refuse if they were in force.
    fn check_overridden(&mut self, command: &Command, before: &[OsString]) {
        for setting in std::mem::take(&mut self.overridden) {
            let words = before.iter().cloned().chain(setting.arguments());
            let Err(error) = command.clone().try_get_matches_from(words) else { continue };
            if matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
                self.faults.push(setting.fault(&value_of(&error), &reason(&error)));
            }
        }
    }

    /// Has clap read these settings between the words of the command line. Every value that it
    /// refuses becomes a fault that names where it is set.
    pub(super) fn parse(
        &mut self,
        command: &Command,
        before: &[OsString],
        after: &[OsString],
    ) -> Result<ArgMatches, Refused> {
        self.check_overridden(command, before);
        let mut refused = BTreeSet::new();
        loop {
            let accepted = self.settings.iter().filter(|setting| !refused.contains(&setting.key.name));
            let own = accepted.flat_map(Setting::arguments);
            let words = before.iter().cloned().chain(own).chain(after.iter().cloned());
            let error = match command.clone().try_get_matches_from(words) {
                Ok(matches) if self.faults.is_empty() => return Ok(matches),
                Ok(_) => return Err(Refused::Faults(std::mem::take(&mut self.faults))),
                Err(error) => error,
            };
            let name = argument_of(&error);
            let setting = self.settings.iter().find(|setting| {
                Some(&setting.key.name) == name.as_ref()
                    && !refused.contains(&setting.key.name)
                    && error.kind() != ErrorKind::MissingRequiredArgument
            });
            match setting {
                Some(setting) => {
                    self.faults.push(setting.fault(&value_of(&error), &reason(&error)));
                    refused.insert(setting.key.name.clone());
                }
                None if self.faults.is_empty() => return Err(error.into()),
                None => return Err(Refused::Faults(std::mem::take(&mut self.faults))),
            }
        }
    }
}

/// The values of a key in a file. None is a switch that is off.
fn values(key: &Key, value: &Value) -> Result<Vec<String>, String> {
    let is_switch = matches!(key.kind, Kind::Switch | Kind::Optional);
    match value {
        Value::Switch(is_on) if is_switch => Ok(is_on.then(String::new).into_iter().collect()),
        _ if key.kind == Kind::Switch => Err("write true or false".into()),
        Value::One(text) => Ok(vec![text.clone()]),
        Value::Many(list) if key.kind == Kind::Many && list.is_empty() => {
            Err("the list is empty: write a value, or remove the key".into())
        }
        Value::Many(list) if key.kind == Kind::Many => Ok(list.clone()),
        Value::Many(_) => Err("it has one value, not a list".into()),
        Value::Switch(_) => Err("it has a value, not true or false".into()),
        Value::Other(what) => Err(format!("write a text or a number, not {what}")),
    }
}

/// Paths, from the directory of the file.
fn beside(file: &Path, paths: Vec<String>) -> Vec<String> {
    let directory = file.parent().unwrap_or(Path::new(""));
    let path = |path: String| directory.join(&path).into_os_string().into_string().unwrap_or(path);
    paths.into_iter().map(path).collect()
}

/// The flag that an error of clap is about.
fn argument_of(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(argument) => name_of(argument),
        _ => None,
    }
}

/// The flags that clap says are missing.
pub(super) fn missing(error: &clap::Error) -> Vec<String> {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(arguments))) => {
            arguments.iter().filter_map(|argument| name_of(argument)).collect()
        }
        _ => Vec::new(),
    }
}

fn name_of(argument: &str) -> Option<String> {
    let name = argument.strip_prefix("--")?;
    Some(name[..name.find([' ', '=', '[', '<']).unwrap_or(name.len())].to_owned())
}

fn value_of(error: &clap::Error) -> String {
    match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.clone(),
        _ => String::new(),
    }
}

/// What is wrong with a value.
fn reason(error: &clap::Error) -> String {
    if let Some(why) = error.source() {
        return why.to_string();
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(names)) if !names.is_empty() => format!("write one of {}", names.join(", ")),
        _ => {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    }
}

/// The names of the flags among these words. No option takes a value that begins with a dash.
pub(super) fn flags(words: &[OsString]) -> BTreeSet<String> {
    words.iter().filter_map(|word| flag(word)).map(|(name, _)| name).collect()
}

/// The value of a flag among these words, and which word it is in.
pub(super) fn value_among(words: &[OsString], name: &str) -> Option<OsString> {
    let at = words.iter().position(|word| flag(word).is_some_and(|(found, _)| found == name))?;
    match flag(&words[at]) {
        Some((_, Some(value))) => Some(value),
        _ => words.get(at + 1).cloned(),
    }
}

fn flag(word: &OsStr) -> Option<(String, Option<OsString>)> {
    let word = word.to_string_lossy();
    let name = word.strip_prefix("--").filter(|name| !name.is_empty())?;
    match name.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), Some(value.into()))),
        None => Some((name.to_owned(), None)),
    }
}
