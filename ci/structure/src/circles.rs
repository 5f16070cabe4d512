//! Which file takes names from which, and the circles in it.
//!
//! A file takes a name from another one if a path in it leads to an item that the other defines.
//! Re-exports are followed: the arrow goes to the file that defines the item. A re-export of a
//! descendant's item is not an arrow, nor is a `mod` declaration.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::{
    module::{Crate, Module},
    tree::Finding,
};

/// For each file, the files it takes names from, and the names.
pub type Arrows = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Module(usize),
    Item { module: usize, name: String },
}

/// The circles of these crates, and the files of them that could not be read.
pub fn check<'a>(crates: impl IntoIterator<Item = &'a Crate>) -> Vec<Finding> {
    let check = |one: &Crate| {
        let arrows = arrows(one);
        let circles = circles(&arrows).into_iter();
        let circles = circles.map(|circle| Finding::new(&one.name, describe(&circle, &arrows)));
        one.unread.iter().cloned().chain(circles).collect::<Vec<_>>()
    };
    crates.into_iter().flat_map(check).collect()
}

fn describe(circle: &BTreeSet<String>, arrows: &Arrows) -> String {
    let mut text = format!("{} files take names from each other in a circle", circle.len());
    for from in circle {
        for (to, names) in arrows[from].iter().filter(|(to, _)| circle.contains(*to)) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            text += &format!("\n    {from} -> {to}: {}", names.join(", "));
        }
    }
    text
}

/// The strongly connected components of more than one file.
pub fn circles(arrows: &Arrows) -> Vec<BTreeSet<String>> {
    let reach = |from: &String| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            for to in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(to.clone()) {
                    open.push(to);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<_, _> = arrows.keys().map(|file| (file, reach(file))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (file, to) in &reached {
        if to.contains(*file) && !circles.iter().any(|circle| circle.contains(*file)) {
            circles.push(
                to.iter().filter(|to| reached.get(to).is_some_and(|back| back.contains(*file))).cloned().collect(),
            );
        }
    }
    circles
}

/// Which file of a crate takes which names from which.
pub fn arrows(one: &Crate) -> Arrows {
    let mut arrows = Arrows::new();
    let mut add = |from: &Module, target: Target| {
        if let Target::Item { module, name } = target {
            let to = &one.modules[module].file;
            if *to != from.file {
                arrows.entry(from.file.clone()).or_default().entry(to.clone()).or_default().insert(name);
            }
        }
    };
    for (id, module) in one.modules.iter().enumerate().filter(|(_, module)| !module.test) {
        for import in &module.mentions.imports {
            for target in resolve(one, id, &import.path) {
                let (Target::Module(at) | Target::Item { module: at, .. }) = target;
                if !(import.re_export && is_below(one, at, id)) {
                    add(module, target);
                }
            }
        }
        for path in &module.mentions.paths {
            resolve(one, id, path).into_iter().for_each(|target| add(module, target));
        }
        for path in &module.mentions.macros {
            resolve_macro(one, id, path).into_iter().for_each(|target| add(module, target));
        }
    }
    arrows
}

fn is_below(one: &Crate, mut module: usize, ancestor: usize) -> bool {
    while let Some(parent) = one.modules[module].parent {
        if parent == ancestor {
            return true;
        }
        module = parent;
    }
    false
}

fn resolve(one: &Crate, module: usize, path: &[String]) -> Vec<Target> {
    Resolver { one, open: HashSet::new() }.path(module, path)
}

/// A macro is found by its path, or by its place: in the module, or before in one around it.
fn resolve_macro(one: &Crate, module: usize, path: &[String]) -> Vec<Target> {
    let mut around = Some(module);
    while let ([name], Some(at)) = (path, around) {
        if one.modules[at].macros.contains(name) {
            return vec![Target::Item { module: at, name: name.clone() }];
        }
        around = one.modules[at].parent;
    }
    resolve(one, module, path)
}

struct Resolver<'a> {
    one: &'a Crate,
    /// The imports that are being followed, as module and index, since imports can go round.
    open: HashSet<(usize, usize)>,
}

impl Resolver<'_> {
    /// All that a path can stand for. Several, if a name is defined for each system or namespace.
    fn path(&mut self, module: usize, path: &[String]) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let mut found = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(module)],
            "super" => self.parent(module),
            name => self.name(module, name),
        };
        for part in rest {
            let step = |target: &Target| match target {
                Target::Module(at) if part == "super" => self.parent(*at),
                Target::Module(at) => self.name(*at, part),
                // A variant or an associated item belongs to the file of its type.
                item => vec![item.clone()],
            };
            let next: Vec<_> = found.iter().flat_map(step).collect();
            if next.is_empty() {
                // A macro may define it, or a glob may take it from another crate.
                let unseen = |target| match target {
                    Target::Module(module) => Target::Item { module, name: part.clone() },
                    item => item,
                };
                found = found.into_iter().map(unseen).collect();
            } else {
                found = next;
            }
        }
        found
    }

    fn parent(&self, module: usize) -> Vec<Target> {
        self.one.modules[module].parent.map(Target::Module).into_iter().collect()
    }

    /// All that a name can stand for in a module.
    fn name(&mut self, at: usize, name: &str) -> Vec<Target> {
        let one = self.one;
        let module = &one.modules[at];
        let item = || Target::Item { module: at, name: name.to_owned() };
        let children = module.children.iter().filter(|(child, _)| child == name);
        let mut found: Vec<_> = children.map(|(_, child)| Target::Module(*child)).collect();
        if module.items.iter().chain(&module.macros).any(|item| item == name) {
            found.push(item());
        }
        let imports = || module.mentions.imports.iter().enumerate();
        for (index, import) in imports().filter(|(_, import)| import.name.as_deref() == Some(name)) {
            if self.open.insert((at, index)) {
                let targets = self.path(at, &import.path);
                // What another crate defines enters this one here.
                found.extend(if targets.is_empty() { vec![item()] } else { targets });
                self.open.remove(&(at, index));
            }
        }
        if !found.is_empty() {
            return found;
        }
        for (index, glob) in imports().filter(|(_, import)| import.name.is_none()) {
            if self.open.insert((at, index)) {
                for target in self.path(at, &glob.path) {
                    if let Target::Module(from) = target {
                        found.extend(self.name(from, name));
                    }
                }
                self.open.remove(&(at, index));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
