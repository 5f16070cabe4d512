//! The names that a module mentions, as they are written: its imports, paths and macro calls.
//!
//! Visibilities and test code are left out. Method calls are not seen. A variable
//! cannot be told from a function of the same name.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Ident, ImplItem, Item, Meta, MetaList, Token, UseTree, Visibility,
    punctuated::Punctuated,
    visit::{self, Visit},
};

use crate::words::words_of;

/// The parts of a path: `crate`, `self`, `super` or names.
pub type Path = Vec<String>;

/// One name that a `use` brings in.
#[derive(Debug)]
pub struct Import {
    /// The name in this module, or `None` for a glob.
    pub name: Option<String>,
    /// What is imported.
    pub path: Path,
    /// Whether other modules can take the name from here.
    pub re_export: bool,
}

/// A field that most kinds of an item have.
macro_rules! field {
    ($item:expr, $field:ident, $of:ident: $($kind:ident)*) => {
        match $item {
            $($of::$kind(item) => Some(&item.$field),)*
            _ => None,
        }
    };
}

/// What a module mentions.
#[derive(Debug, Default)]
pub struct Mentions {
    /// From all `use` declarations, those inside functions too.
    pub imports: Vec<Import>,
    /// From expressions, types, patterns and the tokens of macros.
    pub paths: Vec<Path>,
    /// Macros that are called.
    pub macros: Vec<Path>,
}

impl Mentions {
    fn import(&mut self, tree: &UseTree, mut path: Path, re_export: bool) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.import(&tree.tree, path, re_export);
            }
            UseTree::Name(syn::UseName { ident }) | UseTree::Rename(syn::UseRename { ident, .. }) => {
                if ident != "self" {
                    path.push(ident.to_string());
                }
                let name =
                    if let UseTree::Rename(tree) = tree { Some(tree.rename.to_string()) } else { path.last().cloned() };
                self.imports.push(Import { name, path, re_export });
            }
            UseTree::Glob(_) => self.imports.push(Import { name: None, path, re_export }),
            UseTree::Group(tree) => tree.items.iter().for_each(|tree| self.import(tree, path.clone(), re_export)),
        }
    }

    /// Finds what looks like a path in tokens that have no grammar.
    fn tokens(&mut self, tokens: TokenStream) {
        let words = words_of(tokens);
        let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
        let is_name = |at| text(at).starts_with(|c: char| c.is_alphabetic() || c == '_');
        let mut at = 0;
        while at < words.len() {
            let before = |back| at.checked_sub(back).map_or("", text);
            let variable = before(1) == "$" && text(at) != "crate";
            let member = before(1) == "." && before(2) != ".";
            let continued = before(1) == ":" && before(2) == ":";
            let is_path = is_name(at) && !variable && !member && !continued && before(1) != "'";
            let mut path = vec![text(at).to_owned()];
            at += 1;
            while text(at) == ":" && text(at + 1) == ":" && is_name(at + 2) {
                path.push(text(at + 2).to_owned());
                at += 3;
            }
            let field = path.len() == 1 && text(at) == ":" && text(at + 1) != ":";
            if is_path && text(at) == "!" && matches!(text(at + 1), "(" | "[" | "{") {
                self.macros.push(path);
            } else if is_path && !field {
                self.paths.push(path);
            }
        }
    }
}

impl<'a> Visit<'a> for Mentions {
    /// Derive helpers such as clap's name functions in their attributes.
    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        const NAMELESS: [&str; 8] = ["allow", "cfg", "cfg_attr", "deny", "derive", "doc", "expect", "test"];
        if let Meta::List(list) = &attribute.meta
            && !NAMELESS.iter().any(|name| list.path.is_ident(name))
        {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_visibility(&mut self, _: &'a Visibility) {}

    fn visit_item(&mut self, item: &'a Item) {
        if !is_test_item(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'a ImplItem) {
        let attributes = field!(item, attrs, ImplItem: Const Fn Type Macro);
        if !attributes.is_some_and(|attributes| is_test(attributes)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&item.tree, Path::new(), !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() {
            self.paths.push(written(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.macros.push(written(&call.path));
        self.tokens(call.tokens.clone());
    }
}

fn written(path: &syn::Path) -> Path {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// The name that an item defines in its module.
pub fn name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        _ => field!(item, ident, Item: Const Enum Static Struct Trait Type Union),
    }
}

/// Whether an item is only for tests or loom models.
fn is_test_item(item: &Item) -> bool {
    field!(item, attrs, Item: Const Enum Fn ForeignMod Impl Macro Mod Static Struct Trait Type Union Use)
        .is_some_and(|attributes| is_test(attributes))
}

/// Whether these attributes keep an item out of everything but tests and loom models.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || matches!(&attribute.meta, Meta::List(list) if list.path.is_ident("cfg")
                && list.parse_args().is_ok_and(|predicate| needs_test(&predicate)))
    })
}

fn needs_test(predicate: &Meta) -> bool {
    let parts = |list: &MetaList| list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    match predicate {
        Meta::List(list) if list.path.is_ident("all") => parts(list).is_ok_and(|parts| parts.iter().any(needs_test)),
        Meta::List(list) if list.path.is_ident("any") => parts(list).is_ok_and(|parts| parts.iter().all(needs_test)),
        meta => meta.path().is_ident("test") || meta.path().is_ident("loom"),
    }
}
