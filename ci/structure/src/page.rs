//! Rules about the pages: what `ARCHITECTURE.md` names exists, its walks are short, links lead
//! somewhere. The crate's documentation shows the format.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use crate::{
    tree::{Finding, Tree, join, parent},
    words::words_of,
};

/// The page that describes the tree.
pub const ARCHITECTURE: &str = "ARCHITECTURE.md";
/// The page that defines the terms.
pub const GLOSSARY: &str = "docs/glossary.md";
/// The pages whose links must lead to a file.
pub const LINKED: [&str; 3] = ["README.md", "README.ko.md", ARCHITECTURE];
/// The walks, and how many files each may name.
pub const WALKS: [(&str, usize); 2] = [("### A packet", 12), ("### A broadcast", 9)];
/// How often a walk may enter one file.
pub const ENTRIES: usize = 2;
/// The most terms of the glossary.
pub const TERMS: usize = 30;

/// A part of a page, or the finding that it is not there.
fn section(tree: &Tree, page: &str, heading: &str) -> Result<Vec<(usize, String)>, Finding> {
    let level = |line: &str| line.chars().take_while(|c| *c == '#').count();
    let text = tree.text(page).unwrap_or_default();
    let mut fenced = false;
    let mut lines = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && line.starts_with('#') && (!inside || level(line) <= level(heading)) {
            if inside {
                break;
            }
            inside = line.trim_end() == heading;
        } else if inside {
            lines.push((number, line.to_owned()));
        }
    }
    if inside { Ok(lines) } else { Err(Finding::new(page, format!("the heading `{heading}` is missing"))) }
}

/// The rows of a section's table, without its head: the line's number and the cells.
fn rows(tree: &Tree, page: &str, heading: &str) -> Result<Vec<(usize, Vec<String>)>, Finding> {
    let rows: Vec<_> = section(tree, page, heading)?
        .into_iter()
        .filter(|(_, line)| line.trim_start().starts_with('|'))
        .skip(2)
        .map(|(number, line)| {
            (number, line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        })
        .collect();
    if rows.is_empty() { Err(Finding::new(page, format!("`{heading}` has no table"))) } else { Ok(rows) }
}

/// A file, and functions in it: `path/to/file.rs: function, Type::function`.
struct Reference {
    file: String,
    functions: Vec<String>,
}

impl Reference {
    fn parse(text: &str) -> Self {
        let (file, functions) = text.split_once(':').unwrap_or((text, ""));
        let functions = functions.split(',').map(|name| name.trim().trim_end_matches("()").to_owned());
        Self { file: file.trim().to_owned(), functions: functions.filter(|name| !name.is_empty()).collect() }
    }

    /// What the reference names that is not in the tree.
    fn check(&self, tree: &Tree, line: usize) -> Vec<Finding> {
        let at = |problem| Finding::at(ARCHITECTURE, line, problem);
        if !tree.exists(&self.file) {
            return vec![at(format!("there is no `{}`", self.file))];
        }
        let known = tree.text(&self.file).map(functions).unwrap_or_default();
        let missing = self.functions.iter().filter(|name| !known.contains(*name));
        missing.map(|name| at(format!("`{}` has no function `{name}`", self.file))).collect()
    }
}

/// The names of all functions of a file; methods are there with and without their type or trait.
fn functions(text: &str) -> BTreeSet<String> {
    let mut functions = Functions::default();
    if let Ok(file) = syn::parse_file(text) {
        functions.visit_file(&file);
    }
    functions.names
}

#[derive(Default)]
struct Functions {
    names: BTreeSet<String>,
    owner: String,
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_impl(&mut self, block: &'a syn::ItemImpl) {
        if let syn::Type::Path(path) = &*block.self_ty {
            self.owner = path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        }
        visit::visit_item_impl(self, block);
        self.owner.clear();
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.owner = item.ident.to_string();
        visit::visit_item_trait(self, item);
        self.owner.clear();
    }

    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        self.names.insert(signature.ident.to_string());
        self.names.insert(format!("{}::{}", self.owner, signature.ident));
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        let words = words_of(call.tokens.clone());
        let named = words.windows(2).filter(|pair| pair[0].text == "fn");
        self.names.extend(named.map(|pair| pair[1].text.clone()));
    }
}

/// The two walks: what they name exists, and they are short.
pub fn check_walks(tree: &Tree) -> Vec<Finding> {
    section(tree, ARCHITECTURE, "## Path of a packet and of a broadcast")
        .err()
        .into_iter()
        .chain(WALKS.into_iter().flat_map(|(heading, most)| check_walk(tree, heading, most)))
        .collect()
}

fn check_walk(tree: &Tree, heading: &str, most_files: usize) -> Vec<Finding> {
    let lines = match section(tree, ARCHITECTURE, heading) {
        Ok(lines) => lines,
        Err(finding) => return vec![finding],
    };
    let about = |problem| Finding::new(ARCHITECTURE, format!("`{heading}` {problem}"));
    let mut findings = Vec::new();
    let mut entered: BTreeMap<String, usize> = BTreeMap::new();
    let mut before = String::new();
    let mut fenced = false;
    for (line, text) in lines {
        fenced ^= text.trim_start().starts_with("```");
        let text = text.trim_start();
        if !fenced && !text.starts_with(|c: char| c.is_ascii_digit() || "-*".contains(c)) {
            continue;
        }
        let text = text.trim_start_matches(|c: char| c.is_ascii_digit() || ".-*` ".contains(c));
        let step = text.split(" — ").next().unwrap_or_default();
        let Some(end) = step.find(".rs") else { continue };
        if !step[end..].starts_with(".rs: ") || step[..end].contains(' ') {
            findings.push(Finding::at(ARCHITECTURE, line, "a step is written `path/to/file.rs: function`"));
            continue;
        }
        let reference = Reference::parse(step.trim_end().trim_end_matches('`'));
        findings.extend(reference.check(tree, line));
        if reference.file != before {
            *entered.entry(reference.file.clone()).or_default() += 1;
        }
        before = reference.file;
    }
    if entered.is_empty() {
        findings.push(about("names no file".to_owned()));
    }
    if entered.len() > most_files {
        findings.push(about(format!("goes through {} files; at most {most_files}", entered.len())));
    }
    let often = entered.iter().filter(|(_, times)| **times > ENTRIES);
    findings.extend(often.map(|(file, times)| about(format!("enters {file} {times} times; at most {ENTRIES}"))));
    findings
}

/// The table of changes: every row names what to open, and it exists.
pub fn check_changes(tree: &Tree) -> Vec<Finding> {
    check_rows(tree, "## To change X, open Y", |row| {
        let cells = row.get(1..).unwrap_or_default();
        let quoted =
            cells.iter().flat_map(|cell| quoted(cell)).filter(|text| text.contains('/') || text.contains(".rs"));
        quoted.map(Reference::parse).chain(cells.iter().flat_map(|cell| links(cell)).map(Reference::parse)).collect()
    })
}

/// The table of contracts: every row names a test, and it exists.
pub fn check_contracts(tree: &Tree) -> Vec<Finding> {
    check_rows(tree, "## Contracts", |row| {
        let quoted = row.iter().flat_map(|cell| quoted(cell)).filter(|text| text.contains(".rs"));
        quoted.map(Reference::parse).filter(|reference| !reference.functions.is_empty()).collect()
    })
}

fn check_rows(tree: &Tree, heading: &str, references: impl Fn(&[String]) -> Vec<Reference>) -> Vec<Finding> {
    let rows = match rows(tree, ARCHITECTURE, heading) {
        Ok(rows) => rows,
        Err(finding) => return vec![finding],
    };
    let check = |(line, row): (usize, Vec<String>)| {
        let references = references(&row);
        if references.is_empty() {
            return vec![Finding::at(ARCHITECTURE, line, "this row names no file or test that could be checked")];
        }
        references.iter().flat_map(|reference| reference.check(tree, line)).collect()
    };
    rows.into_iter().flat_map(check).collect()
}

/// The glossary has a table of at most [`TERMS`] rows.
pub fn check_glossary(tree: &Tree) -> Vec<Finding> {
    match rows(tree, GLOSSARY, "# Glossary") {
        Ok(rows) if rows.len() > TERMS => {
            vec![Finding::new(GLOSSARY, format!("the glossary has {} terms; at most {TERMS}", rows.len()))]
        }
        Ok(_) => Vec::new(),
        Err(finding) => vec![finding],
    }
}

/// Relative links of the pages in [`LINKED`] lead to a file or directory.
pub fn check_links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in LINKED {
        let mut fenced = false;
        for (number, line) in (1..).zip(tree.text(page).unwrap_or_default().lines()) {
            fenced ^= line.trim_start().starts_with("```");
            let broken = links(line).filter(|link| !fenced && !tree.exists(&join(parent(page), link)));
            findings.extend(broken.map(|link| Finding::at(page, number, format!("the link `{link}` leads nowhere"))));
        }
    }
    findings
}

/// The code spans of a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The relative targets of a line's links, without their anchors.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let after =
        |open: &'static str, close: char| line.split(open).skip(1).filter_map(move |rest| rest.split(close).next());
    after("](", ')')
        .chain(after("src=\"", '"'))
        .chain(after("href=\"", '"'))
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|target| target.split(['#', ' ']).next())
        .filter(|target| !target.is_empty())
}

#[cfg(test)]
mod tests;
