//! A configuration file: what it says, and in which lines.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::refused::Fault;

/// The most bytes of a file. No real one comes near.
const MOST_BYTES: u64 = 1 << 20;

/// The table of one listener.
pub(super) const LISTENER: &str = "listener";

/// The key that says which server the file is for.
pub(super) const COMMAND: &str = "command";

pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    /// The server that it is for, if it says so.
    pub(super) command: Option<(String, usize)>,
    pub(super) entries: Vec<Entry>,
    pub(super) listeners: Vec<Listener>,
    /// What is wrong with it so far.
    pub(super) faults: Vec<Fault>,
}

/// A `[[listener]]` table.
pub(super) struct Listener {
    pub(super) line: usize,
    pub(super) entries: Vec<Entry>,
}

pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Value,
}

pub(super) enum Value {
    /// A text or a number.
    One(String),
    Switch(bool),
    Many(Vec<String>),
    /// What no option takes, by its name.
    Other(&'static str),
}

impl ConfigFile {
    /// Reads a file. An error is about the file as a whole; faults of its contents are kept.
    pub(super) fn read(path: &Path) -> Result<ConfigFile, Fault> {
        let unread =
            |why: String| Fault::from(format!("could not read the configuration file {}: {why}", path.display()));
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| unread(error.to_string()))?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unread(error.to_string()))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(unread(format!("it has more than {} KiB; give a TOML file", MOST_BYTES >> 10)));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
            unread(format!("line {line} is not UTF-8"))
        })?;
        Ok(ConfigFile::parse(path.to_owned(), &text))
    }

    fn parse(path: PathBuf, text: &str) -> ConfigFile {
        let lines = Lines { text };
        let mut file =
            ConfigFile { path, command: None, entries: Vec::new(), listeners: Vec::new(), faults: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // What was made of the rest is a guess.
            file.faults = errors.iter().map(|error| file.fault(lines.of_error(error), error.message())).collect();
            return file;
        }
        for (key, value) in table.get_ref() {
            let line = lines.of(key);
            match (key.get_ref().as_ref(), value.get_ref()) {
                (COMMAND, DeValue::String(name)) => file.command = Some((name.to_string(), line)),
                (COMMAND, _) => file.faults.push(file.fault(line, "command: write the name of a server: \"chat\"")),
                (LISTENER, DeValue::Array(tables)) => {
                    for table in tables.iter() {
                        let line = lines.of(table);
                        match table.get_ref() {
                            DeValue::Table(table) => {
                                file.listeners.push(Listener { line, entries: entries(table, lines) });
                            }
                            _ => file.faults.push(file.fault(line, "a listener is a table: [[listener]]")),
                        }
                    }
                }
                (LISTENER, _) => {
                    file.faults.push(file.fault(line, "write [[listener]] with two brackets: there may be several"));
                }
                _ => file.entries.push(entry(key, value, lines)),
            }
        }
        file.entries.sort_by_key(|entry| entry.line);
        file
    }

    /// A place of the file.
    pub(super) fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    pub(super) fn fault(&self, line: usize, why: &str) -> Fault {
        Fault { line, text: format!("{}: {why}", self.place(line)) }
    }
}

fn entries(table: &DeTable<'_>, lines: Lines<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table.iter().map(|(key, value)| entry(key, value, lines)).collect();
    entries.sort_by_key(|entry| entry.line);
    entries
}

fn entry<K: ToString>(key: &Spanned<K>, value: &Spanned<DeValue<'_>>, lines: Lines<'_>) -> Entry {
    Entry { key: key.get_ref().to_string(), line: lines.of(key), value: value_of(value.get_ref()) }
}

fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Boolean(is_on) => Value::Switch(*is_on),
        DeValue::Array(list) => match list.iter().map(|value| one(value.get_ref())).collect() {
            Some(list) => Value::Many(list),
            None => Value::Other("a list of something else than texts and numbers"),
        },
        DeValue::Table(_) => Value::Other("a table"),
        DeValue::Datetime(_) => Value::Other("a date"),
        value => one(value).map_or(Value::Other("something else"), Value::One),
    }
}

/// A text or a number, as a flag would have it.
fn one(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let decimal = i64::from_str_radix(number.as_str(), number.radix());
            Some(decimal.map_or_else(|_| number.to_string(), |decimal| decimal.to_string()))
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Lines<'a> {
    text: &'a str,
}

impl Lines<'_> {
    fn of<T>(self, what: &Spanned<T>) -> usize {
        self.at(what.span().start)
    }

    fn of_error(self, error: &Error) -> usize {
        self.at(error.span().map_or(0, |span| span.start))
    }

    fn at(self, byte: usize) -> usize {
        1 + self.text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ConfigFile {
        ConfigFile::parse("x.toml".into(), text)
    }

    #[test]
    fn values_are_what_a_flag_would_have() {
        let file = parsed(
            "command = \"chat\"\nmax-sessions = 1_000\nmax-frame = 0x10\nrooms = true\nlisten = [\"a:1\", \"b:2\"]\nx = 1.5\n",
        );
        assert_eq!(file.command, Some(("chat".into(), 1)));
        let said: Vec<(usize, &str)> = file.entries.iter().map(|entry| (entry.line, entry.key.as_str())).collect();
        assert_eq!(said, [(2, "max-sessions"), (3, "max-frame"), (4, "rooms"), (5, "listen"), (6, "x")]);
        for (entry, expected) in [(0, "1000"), (1, "16"), (4, "1.5")] {
            assert!(matches!(&file.entries[entry].value, Value::One(text) if text == expected), "{expected}");
        }
        assert!(matches!(file.entries[2].value, Value::Switch(true)));
        assert!(matches!(&file.entries[3].value, Value::Many(list) if list == &["a:1", "b:2"]));
    }

    #[test]
    fn each_listener_has_its_lines() {
        let file =
            parsed("shards = 1\n\n[[listener]]\naddress = \"a:1\"\n\n[[listener]]\n# one more\naddress = \"b:2\"\n");
        let said: Vec<(usize, usize)> = file.listeners.iter().map(|one| (one.line, one.entries[0].line)).collect();
        assert_eq!(said, [(3, 4), (6, 8)]);
        assert!(file.faults.is_empty());
        for text in ["[listener]\naddress = \"a:1\"", "listener = 5", "listener = [5]"] {
            assert!(parsed(text).faults[0].text.starts_with("x.toml:1: "), "{text}");
        }
    }

    #[test]
    fn what_is_no_toml_is_named_by_its_line() {
        for (text, line) in [("a = 1\nb = \n", 2), ("a = 1\n\na = 2\n", 3), ("a\n", 1), ("[x\n", 1), ("a = 'b\n", 1)] {
            let faults = parsed(text).faults;
            assert!(faults[0].text.starts_with(&format!("x.toml:{line}: ")), "{text:?}: {faults:?}");
        }
    }
}
