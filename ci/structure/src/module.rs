//! The modules of a crate, found from its root file by `mod` declarations, whatever their `cfg`.

use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, visit::Visit};

use crate::{
    mentions::{Mentions, is_test, name},
    tree::{Finding, Tree, join, parent},
};

/// A crate: the modules that are compiled together.
#[derive(Debug)]
pub struct Crate {
    /// The package's name.
    pub name: String,
    /// The root is the first.
    pub modules: Vec<Module>,
    /// Files that could not be found or parsed.
    pub unread: Vec<Finding>,
}

/// One module.
#[derive(Debug, Default)]
pub struct Module {
    /// The file it is written in.
    pub file: String,
    /// `None` for the root.
    pub parent: Option<usize>,
    /// Whether it is compiled only for tests or loom models.
    pub test: bool,
    /// By name. One name can have several, each for its own system.
    pub children: Vec<(String, usize)>,
    /// The names of the items that it defines.
    pub items: Vec<String>,
    /// The names of the macros that it defines.
    pub macros: Vec<String>,
    /// What it mentions.
    pub mentions: Mentions,
}

/// Where a module is written.
struct Place {
    file: String,
    /// Where the files of its children are.
    directory: String,
    inline: bool,
    parent: Option<usize>,
    test: bool,
}

/// All crates of the tree: the library and the programs of each package.
pub fn crates(tree: &Tree) -> Vec<Crate> {
    let mut crates = Vec::new();
    for manifest in tree.paths().filter(|path| *path == "Cargo.toml" || path.ends_with("/Cargo.toml")) {
        if let Some(name) = tree.text(manifest).and_then(package_name) {
            crates.extend(roots(tree, parent(manifest)).map(|root| Crate::load(tree, name, root)));
        }
    }
    crates
}

fn package_name(manifest: &str) -> Option<&str> {
    let mut lines = manifest.lines().skip_while(|line| line.trim() != "[package]");
    lines
        .find_map(|line| line.strip_prefix("name")?.trim_start().strip_prefix('='))
        .map(|name| name.trim().trim_matches('"'))
}

/// The root files of a package's crates, by cargo's conventions.
fn roots<'a>(tree: &'a Tree, package: &str) -> impl Iterator<Item = &'a str> {
    let source = join(package, "src");
    tree.paths().filter(move |path| {
        path.strip_prefix(&source).is_some_and(|name| {
            matches!(name, "/lib.rs" | "/main.rs")
                || name.starts_with("/bin/") && (name.ends_with("/main.rs") || name.matches('/').count() == 2)
        })
    })
}

impl Crate {
    /// Reads the crate whose root file is `root`.
    pub fn load(tree: &Tree, name: &str, root: &str) -> Self {
        let mut loaded = Self { name: name.to_owned(), modules: Vec::new(), unread: Vec::new() };
        let directory = parent(root).to_owned();
        loaded.add_file(tree, Place { file: root.to_owned(), directory, inline: false, parent: None, test: false });
        loaded
    }

    fn add_file(&mut self, tree: &Tree, place: Place) -> Option<usize> {
        match syn::parse_file(tree.text(&place.file)?) {
            Ok(parsed) => Some(self.add(tree, &place, parsed.items)),
            Err(error) => {
                let line = error.span().start().line;
                self.unread.push(Finding::at(&place.file, line, format!("cannot be parsed: {error}")));
                None
            }
        }
    }

    fn add(&mut self, tree: &Tree, place: &Place, items: Vec<Item>) -> usize {
        let id = self.modules.len();
        self.modules.push(Module {
            file: place.file.clone(),
            parent: place.parent,
            test: place.test,
            ..Module::default()
        });
        for item in items {
            if let Item::Mod(child) = item {
                self.add_child(tree, place, id, child);
                continue;
            }
            let module = &mut self.modules[id];
            let names = if let Item::Macro(_) = item { &mut module.macros } else { &mut module.items };
            names.extend(name(&item).map(ToString::to_string));
            module.mentions.visit_item(&item);
        }
        id
    }

    fn add_child(&mut self, tree: &Tree, place: &Place, parent_id: usize, item: ItemMod) {
        let name = item.ident.to_string();
        let directory = join(&place.directory, &name);
        let child = |file, directory, inline| Place {
            file,
            directory,
            inline,
            parent: Some(parent_id),
            test: place.test || is_test(&item.attrs),
        };
        if let Some((_, items)) = item.content {
            let id = self.add(tree, &child(place.file.clone(), directory, true), items);
            self.modules[parent_id].children.push((name, id));
            return;
        }
        let base = if place.inline { &place.directory } else { parent(&place.file) };
        let mut files: Vec<_> = item
            .attrs
            .iter()
            .filter_map(path_attribute)
            .map(|path| join(base, &path))
            .map(|file| (parent(&file).to_owned(), file))
            .collect();
        if files.is_empty() {
            files = ["/mod.rs", ".rs"].map(|end| (directory.clone(), format!("{directory}{end}"))).into();
        }
        files.retain(|(_, file)| tree.text(file).is_some());
        if files.is_empty() {
            self.unread.push(Finding::new(&place.file, format!("the file of `mod {name}` was not found")));
        }
        for (directory, file) in files {
            if let Some(id) = self.add_file(tree, child(file, directory, false)) {
                self.modules[parent_id].children.push((name.clone(), id));
            }
        }
    }
}

/// The file that `#[path = ".."]` names.
fn path_attribute(attribute: &Attribute) -> Option<String> {
    match &attribute.meta.require_name_value().ok()?.value {
        Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) if attribute.path().is_ident("path") => Some(path.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
