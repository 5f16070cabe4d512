//! All checks, by name.

use std::{io, path::Path};

use crate::{
    circles,
    module::{Crate, crates},
    page, text,
    tree::{Finding, Tree},
};

/// A tree and its crates, read once for all checks.
#[derive(Debug)]
pub struct Repository {
    /// Its files.
    pub tree: Tree,
    /// Its crates.
    pub crates: Vec<Crate>,
}

/// A rule, as a person reads it, and its check.
pub type Check = (&'static str, fn(&Repository) -> Vec<Finding>);

/// The rules of the tree.
pub const CHECKS: [Check; 10] = [
    ("No import circle between the files of a crate", |it| circles::check(&it.crates)),
    ("`unsafe` only where it is needed", |it| text::check_unsafe(&it.tree, &it.crates)),
    ("Comments of at most 100 columns", |it| text::check_comments(&it.tree)),
    ("Files of at most 500 lines", |it| text::check_lengths(&it.tree, &it.crates)),
    ("No roundabout words", |it| text::check_words(&it.tree)),
    ("The walks are true and short", |it| page::check_walks(&it.tree)),
    ("The table of changes names what exists", |it| page::check_changes(&it.tree)),
    ("Every contract has its test", |it| page::check_contracts(&it.tree)),
    ("The glossary is short", |it| page::check_glossary(&it.tree)),
    ("Links lead somewhere", |it| page::check_links(&it.tree)),
];

impl Repository {
    /// Reads the tree below `root`.
    pub fn read(root: &Path) -> io::Result<Self> {
        let tree = Tree::read(root)?;
        Ok(Self { crates: crates(&tree), tree })
    }
}
