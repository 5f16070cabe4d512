//! Rules about the text of files: comments, lengths, words and `unsafe`.

use std::collections::{BTreeSet, HashMap};

use crate::{
    module::Crate,
    tree::{Finding, Tree},
    words::words,
};

/// The last column of a comment.
pub const COMMENT_COLUMNS: usize = 100;
/// The most lines of a file that is not a test.
pub const FILE_LINES: usize = 500;
/// The most lines with roundabout words.
pub const ROUNDABOUT_LINES: usize = 10;

/// Where `unsafe` is allowed in code that is not a test, and why. A folder ends with `/`.
pub const UNSAFE: [(&str, &str); 10] = [
    ("overlapped/src/sys/", "calls the system"),
    ("overlapped/src/buf/", "buffers whose bytes the kernel reads and writes"),
    ("overlapped/src/buf.rs", "buffers whose bytes the kernel reads and writes"),
    ("overlapped/src/pool", "receive buffers that the kernel fills"),
    ("overlapped/src/log/", "bytes that are appended while others send them"),
    ("overlapped/src/log.rs", "bytes that are appended while others send them"),
    ("winsock/src/", "takes the pointers of C programs"),
    ("bench/", "measures with the system's own clocks and rings; not shipped"),
    ("ci/", "calls the system to prepare a check; not shipped"),
    ("fuzz/", "not shipped"),
];

/// `unsafe` in blocks, functions, impls, traits and macros, outside [`UNSAFE`] and tests.
pub fn check_unsafe(tree: &Tree, crates: &[Crate]) -> Vec<Finding> {
    let tests = test_files(crates);
    let mut findings = Vec::new();
    for (file, text) in tree.with_extension(&["rs"]).filter(|(_, text)| text.contains("unsafe")) {
        let allowed = UNSAFE.iter().any(|(place, _)| file.starts_with(place));
        if allowed || is_test(file, &tests) || file.split('/').any(|part| part == "examples") {
            continue;
        }
        match words(file, text) {
            // `unsafe(..)` is an attribute.
            Ok(words) => findings.extend(
                words
                    .windows(2)
                    .filter(|pair| pair[0].text == "unsafe" && pair[1].text != "(")
                    .map(|pair| Finding::at(file, pair[0].start.line, "`unsafe` is not allowed in this file")),
            ),
            Err(finding) => findings.push(finding),
        }
    }
    findings
}

/// Comments that go beyond [`COMMENT_COLUMNS`].
pub fn check_comments(tree: &Tree) -> Vec<Finding> {
    let width = |line: &str| line.trim_end().chars().count();
    let mut findings = Vec::new();
    for (file, text) in tree.with_extension(&["rs", "sh", "toml"]) {
        if text.lines().all(|line| width(line) <= COMMENT_COLUMNS) {
            continue;
        }
        let code = match file.ends_with(".rs").then(|| code_ends(file, text)).transpose() {
            Ok(code) => code,
            Err(finding) => {
                findings.push(finding);
                continue;
            }
        };
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| width(line) > COMMENT_COLUMNS) {
            let is_comment = match &code {
                Some(ends) => ends.get(&number).is_none_or(|end| *end < width(line)),
                None => has_hash_comment(line),
            };
            if is_comment {
                let problem = format!("a comment of {} columns; at most {COMMENT_COLUMNS}", width(line));
                findings.push(Finding::at(file, number, problem));
            }
        }
    }
    findings
}

/// For each line with code, the column where its last word ends. What follows is a comment.
fn code_ends(file: &str, text: &str) -> Result<HashMap<usize, usize>, Finding> {
    let mut ends = HashMap::new();
    for word in words(file, text)? {
        // All of a string's lines but the last are code to their end.
        let full = (word.start.line..word.end.line).map(|line| (line, usize::MAX));
        for (line, column) in full.chain([(word.end.line, word.end.column)]) {
            let end = ends.entry(line).or_default();
            *end = column.max(*end);
        }
    }
    Ok(ends)
}

/// Whether a line of shell or TOML has a `#` comment: one that is not in quotes or in a word.
fn has_hash_comment(line: &str) -> bool {
    let (mut quote, mut before) = (None, ' ');
    for c in line.chars() {
        match quote {
            None if c == '#' && before.is_whitespace() => return true,
            None if matches!(c, '"' | '\'') && before != '\\' => quote = Some(c),
            Some(open) if c == open && before != '\\' => quote = None,
            _ => {}
        }
        before = c;
    }
    false
}

/// Files of more than [`FILE_LINES`] lines that are not tests.
pub fn check_lengths(tree: &Tree, crates: &[Crate]) -> Vec<Finding> {
    let tests = test_files(crates);
    tree.with_extension(&["rs"])
        .filter(|(file, _)| !is_test(file, &tests))
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(file, lines)| Finding::new(file, format!("{lines} lines; at most {FILE_LINES}")))
        .collect()
}

/// The files that only tests or loom models reach by `mod`.
fn test_files(crates: &[Crate]) -> BTreeSet<&str> {
    let (mut tests, mut others) = (BTreeSet::new(), BTreeSet::new());
    for module in crates.iter().flat_map(|one| &one.modules) {
        if module.test { &mut tests } else { &mut others }.insert(module.file.as_str());
    }
    &tests - &others
}

fn is_test(file: &str, tests: &BTreeSet<&str>) -> bool {
    tests.contains(file) || file.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Lines with roundabout words, if there are more than [`ROUNDABOUT_LINES`].
pub fn check_words(tree: &Tree) -> Vec<Finding> {
    let findings: Vec<_> = tree
        .with_extension(&["md", "rs"])
        .filter(|(file, _)| !file.ends_with("CHANGELOG.md"))
        .flat_map(|(file, text)| (1..).zip(text.lines()).map(move |(number, line)| (file, number, line)))
        .filter_map(|(file, number, line)| {
            roundabout(line).map(|words| Finding::at(file, number, format!("say it directly, without \"{words}\"")))
        })
        .collect();
    if findings.len() > ROUNDABOUT_LINES { findings } else { Vec::new() }
}

fn roundabout(line: &str) -> Option<String> {
    const WORDS: [&str; 4] = ["whoever", "whosoever", "thereof", "wherein"];
    let lower = line.to_lowercase();
    let words: Vec<_> = lower.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    (0..words.len()).find_map(|at| match words[at..] {
        [word, ..] if WORDS.contains(&word) => Some(word.to_owned()),
        ["of", "which", ..] => Some("of which".to_owned()),
        ["what", verb @ ("came" | "comes" | "was" | "is"), no @ ("no" | "not"), ..] => {
            Some(format!("what {verb} {no}"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
