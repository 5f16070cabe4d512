//! The modules of a crate, found from its root file by `mod` declarations, whatever their `cfg`.

use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta, Token, punctuated::Punctuated, visit::Visit};

use crate::{
    mentions::{Mentions, is_test_item, name},
    tree::{Finding, Tree, join, parent},
};

/// A crate: the modules that are compiled together.
#[derive(Debug)]
pub struct Crate {
    /// The package's name, and the binary's if it is not the only crate of its package.
    pub name: String,
    /// The root is the first.
    pub modules: Vec<Module>,
    /// Files that could not be found or parsed.
    pub unread: Vec<Finding>,
}

/// One module.
#[derive(Debug)]
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

/// All crates of the tree: the library and the programs of each package.
pub fn crates(tree: &Tree) -> Vec<Crate> {
    tree.paths()
        .filter(|path| *path == "Cargo.toml" || path.ends_with("/Cargo.toml"))
        .filter_map(|path| Some((parent(path), tree.text(path)?)))
        .flat_map(|(directory, manifest)| {
            let name = package_name(manifest)?;
            Some(roots(tree, directory, manifest).into_iter().map(move |root| Crate::load(tree, name, &root)))
        })
        .flatten()
        .collect()
}

fn values<'a>(manifest: &'a str, sections: &'a [&str], key: &'a str) -> impl Iterator<Item = &'a str> {
    let mut section = "";
    manifest.lines().map(str::trim).filter_map(move |line| {
        if line.starts_with('[') {
            section = line;
        }
        let (name, value) = line.split_once('=')?;
        (sections.contains(&section) && name.trim() == key).then(|| value.trim().trim_matches('"'))
    })
}

fn package_name(manifest: &str) -> Option<&str> {
    values(manifest, &["[package]"], "name").next()
}

/// The root files of a package's crates, by cargo's conventions and as its manifest says.
fn roots(tree: &Tree, directory: &str, manifest: &str) -> Vec<String> {
    let source = join(directory, "src");
    let programs = join(&source, "bin");
    let mut roots: Vec<_> = values(manifest, &["[lib]", "[[bin]]"], "path").map(|path| join(directory, path)).collect();
    roots.extend(["lib.rs", "main.rs"].map(|name| join(&source, name)));
    roots.extend(tree.paths().filter_map(|path| {
        let name = path.strip_prefix(&programs)?.strip_prefix('/')?;
        let root = if name.contains('/') {
            name.matches('/').count() == 1 && name.ends_with("/main.rs")
        } else {
            name.ends_with(".rs")
        };
        root.then(|| path.to_owned())
    }));
    roots.retain(|path| tree.text(path).is_some());
    roots.sort();
    roots.dedup();
    roots
}

impl Crate {
    /// Reads the crate whose root file is `root`.
    pub fn load(tree: &Tree, name: &str, root: &str) -> Self {
        let mut loaded = Self { name: name.to_owned(), modules: Vec::new(), unread: Vec::new() };
        loaded.add_file(tree, root.to_owned(), parent(root).to_owned(), None, false);
        loaded
    }

    fn add_file(
        &mut self,
        tree: &Tree,
        file: String,
        directory: String,
        parent: Option<usize>,
        test: bool,
    ) -> Option<usize> {
        match syn::parse_file(tree.text(&file)?) {
            Ok(parsed) => Some(self.add(tree, Place { file, directory, inline: false }, parsed.items, parent, test)),
            Err(error) => {
                self.unread.push(Finding::at(&file, error.span().start().line, format!("cannot be parsed: {error}")));
                None
            }
        }
    }

    fn add(&mut self, tree: &Tree, place: Place, items: Vec<Item>, parent: Option<usize>, test: bool) -> usize {
        let id = self.modules.len();
        self.modules.push(Module {
            file: place.file.clone(),
            parent,
            test,
            children: Vec::new(),
            items: Vec::new(),
            macros: Vec::new(),
            mentions: Mentions::default(),
        });
        for item in items {
            let test = test || is_test_item(&item);
            if let Item::Mod(item) = item {
                self.add_child(tree, &place, item, id, test);
                continue;
            }
            let module = &mut self.modules[id];
            let names = if let Item::Macro(_) = item { &mut module.macros } else { &mut module.items };
            names.extend(name(&item).map(ToString::to_string));
            module.mentions.visit_item(&item);
        }
        id
    }

    fn add_child(&mut self, tree: &Tree, place: &Place, item: syn::ItemMod, id: usize, test: bool) {
        let name = item.ident.to_string();
        let directory = join(&place.directory, &name);
        if let Some((_, items)) = item.content {
            let place = Place { file: place.file.clone(), directory, inline: true };
            let child = self.add(tree, place, items, Some(id), test);
            self.modules[id].children.push((name, child));
            return;
        }
        let base = if place.inline { &place.directory } else { parent(&place.file) };
        let mut files: Vec<_> = paths(&item.attrs)
            .iter()
            .map(|path| join(base, path))
            .map(|path| (parent(&path).to_owned(), path))
            .collect();
        files.push((directory.clone(), format!("{directory}.rs")));
        files.push((directory.clone(), format!("{directory}/mod.rs")));
        for (directory, file) in files {
            if let Some(child) = self.add_file(tree, file, directory, Some(id), test) {
                self.modules[id].children.push((name.clone(), child));
            }
        }
        if !self.modules[id].children.iter().any(|(child, _)| *child == name) {
            self.unread.push(Finding::new(&place.file, format!("the file of `mod {name}` was not found")));
        }
    }
}

/// Where a module is written, and where the files of its children are.
struct Place {
    file: String,
    directory: String,
    inline: bool,
}

/// The files that `#[path]` names, directly or in a `cfg_attr`.
fn paths(attributes: &[Attribute]) -> Vec<String> {
    fn named(meta: &Meta, paths: &mut Vec<String>) {
        match meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => {
                if let Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) = &pair.value {
                    paths.push(path.value());
                }
            }
            Meta::List(list) if list.path.is_ident("cfg_attr") => {
                if let Ok(parts) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
                    parts.iter().skip(1).for_each(|meta| named(meta, paths));
                }
            }
            _ => {}
        }
    }
    let mut paths = Vec::new();
    attributes.iter().for_each(|attribute| named(&attribute.meta, &mut paths));
    paths
}

#[cfg(test)]
mod tests;
