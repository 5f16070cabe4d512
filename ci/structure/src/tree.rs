//! The files of the tree, read once.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// Something that breaks a rule of the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, and the line if there is one, or the crate.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl Finding {
    /// A finding about a whole file or crate.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }

    /// A finding about a line, counted from 1.
    pub fn at(file: &str, line: usize, problem: impl Into<String>) -> Self {
        Self::new(format!("{file}:{line}"), problem)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// All files below a directory. Paths are relative to it, with `/` between their parts.
#[derive(Debug, Default)]
pub struct Tree {
    /// Files that are not UTF-8 are present with an empty text.
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads every file below `root`, except build output (`target`) and `.git`.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(root.join(&directory))? {
                let entry = entry?;
                let path = directory.join(entry.file_name());
                let kind = entry.file_type()?;
                if kind.is_dir() && entry.file_name() != "target" && entry.file_name() != ".git" {
                    directories.push(path);
                } else if kind.is_file() && entry.file_name() != ".git" {
                    let text = String::from_utf8(fs::read(entry.path())?).unwrap_or_default();
                    files.insert(path.to_string_lossy().replace('\\', "/"), text);
                }
            }
        }
        Ok(Self { files })
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a file or directory exists.
    pub fn exists(&self, path: &str) -> bool {
        let directory = format!("{}/", path.trim_end_matches('/'));
        path.is_empty() || self.files.contains_key(path) || self.paths().any(|file| file.starts_with(&directory))
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The files with one of these extensions, sorted by path.
    pub fn with_extension<'a>(&'a self, extensions: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .filter(|(path, _)| path.rsplit_once('.').is_some_and(|(_, end)| extensions.contains(&end)))
    }
}

/// A tree in memory: `(path, text)` pairs.
#[cfg(test)]
impl<'a> FromIterator<(&'a str, &'a str)> for Tree {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(files: I) -> Self {
        Self { files: files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect() }
    }
}

/// The directory that a path is in; empty for the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// `name` below `directory`, with `.` and `..` resolved.
pub fn join(directory: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
