//! What is in force for a server, and where it is set: as a file that can be used.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::file::{COMMAND, LISTENER};
use super::keys::{self, Key, Kind};
use super::reading::{ADDRESSES, Read};
use super::settings::Settings;

/// The column of the places.
const PLACES: usize = 40;

pub(super) fn text(definition: &Command, words: &[OsString], read: &Read) -> String {
    let Some((name, matches)) = read.matches.subcommand() else { return String::new() };
    let Some(server) = definition.find_subcommand(name) else { return String::new() };
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    let shown: Vec<String> = words[1..].iter().map(|word| word.to_string_lossy().into_owned()).collect();
    line(&format!("# What is in force for `proactor {}`, and where it is set.", shown.join(" ")));
    line(&format!("{COMMAND} = {}", quoted(name)));
    let keys = keys::of(server);
    let mut headings: Vec<&str> = Vec::new();
    for key in &keys {
        if !headings.contains(&key.heading.as_str()) {
            headings.push(&key.heading);
        }
    }
    for heading in headings {
        line(&format!("\n# {heading}"));
        for key in keys.iter().filter(|key| key.heading == heading) {
            let is_left_out = read.listeners.are_alone && key.name == ADDRESSES;
            match set(key, &read.settings).or_else(|| flag(key, matches)) {
                Some((value, place)) => line(&format!("{:PLACES$}  # {place}", format!("{} = {value}", key.name))),
                None => match default(key, matches).filter(|_| !is_left_out) {
                    Some(value) => line(&format!("{:PLACES$}  # the default", format!("# {} = {value}", key.name))),
                    None => line(&format!("# {} is not set", key.name)),
                },
            }
        }
    }
    for table in &read.tables {
        line(&format!("\n{:PLACES$}  # {}", format!("[[{LISTENER}]]"), table.place));
        for setting in &table.settings.settings {
            let value = value(&setting.key, &setting.values);
            line(&format!("{:PLACES$}  # {setting}", format!("{} = {value}", setting.key.name)));
        }
    }
    text
}

/// What a variable or the file sets.
fn set(key: &Key, settings: &Settings) -> Option<(String, String)> {
    let setting = settings.settings.iter().find(|setting| setting.key.name == key.name)?;
    Some((value(key, &setting.values), setting.to_string()))
}

/// What a flag sets.
fn flag(key: &Key, matches: &ArgMatches) -> Option<(String, String)> {
    let is_flag = matches.value_source(&key.id)? == ValueSource::CommandLine;
    is_flag.then(|| Some((in_force(key, matches)?, format!("--{}", key.name))))?
}

fn default(key: &Key, matches: &ArgMatches) -> Option<String> {
    let is_default = matches.value_source(&key.id)? == ValueSource::DefaultValue;
    is_default.then(|| in_force(key, matches))?
}

pub(super) fn in_force(key: &Key, matches: &ArgMatches) -> Option<String> {
    let values = match key.kind {
        Kind::Switch if !matches.get_flag(&key.id) => Vec::new(),
        Kind::Switch => vec![String::new()],
        _ => matches.get_raw(&key.id)?.map(|value| value.to_string_lossy().into_owned()).collect(),
    };
    Some(value(key, &values))
}

fn value(key: &Key, values: &[String]) -> String {
    match (key.kind, values) {
        (Kind::Switch, values) => (!values.is_empty()).to_string(),
        (Kind::Optional, [value]) if value.is_empty() => "true".to_owned(),
        (Kind::Optional, []) => "false".to_owned(),
        (Kind::Many, values) => {
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            format!("[{}]", values.join(", "))
        }
        (_, [value, ..]) if value.parse::<i64>().is_ok() => value.clone(),
        (_, [value, ..]) => quoted(value),
        (_, []) => quoted(""),
    }
}

/// A text as TOML has it: every string of JSON is one of TOML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
