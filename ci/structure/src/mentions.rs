//! The names that a module mentions, as they are written: its imports, paths and macro calls.
//!
//! Attributes, visibilities and test code are left out. Method calls are not seen.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Ident, ImplItem, Item, Meta, Token, UseTree, Visibility,
    punctuated::Punctuated,
    visit::{self, Visit},
};

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
            UseTree::Name(tree) => {
                if tree.ident != "self" {
                    path.push(tree.ident.to_string());
                }
                self.imports.push(Import { name: path.last().cloned(), path, re_export });
            }
            UseTree::Rename(tree) => {
                if tree.ident != "self" {
                    path.push(tree.ident.to_string());
                }
                self.imports.push(Import { name: Some(tree.rename.to_string()), path, re_export });
            }
            UseTree::Glob(_) => self.imports.push(Import { name: None, path, re_export }),
            UseTree::Group(tree) => tree.items.iter().for_each(|tree| self.import(tree, path.clone(), re_export)),
        }
    }

    /// Finds what looks like a path in tokens that have no grammar.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let punct = |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == c);
        let mut at = 0;
        while at < tokens.len() {
            let begin = at;
            at += 1;
            match &tokens[begin] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    while let (true, true, Some(TokenTree::Ident(next))) =
                        (punct(at, ':'), punct(at + 1, ':'), tokens.get(at + 2))
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    let before = |c| begin > 0 && punct(begin - 1, c);
                    let variable = before('$') && first != "crate";
                    let continued = before('.') && !(begin > 1 && punct(begin - 2, '.'))
                        || before('\'')
                        || before(':') && begin > 1 && punct(begin - 2, ':');
                    let field = path.len() == 1 && punct(at, ':') && !punct(at + 1, ':');
                    if variable || continued || field {
                        continue;
                    }
                    if punct(at, '!') && matches!(tokens.get(at + 1), Some(TokenTree::Group(_))) {
                        self.macros.push(path);
                    } else {
                        self.paths.push(path);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl<'a> Visit<'a> for Mentions {
    fn visit_attribute(&mut self, _: &'a Attribute) {}

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
pub fn is_test_item(item: &Item) -> bool {
    field!(item, attrs, Item: Const Enum Fn ForeignMod Impl Macro Mod Static Struct Trait Type Union Use)
        .is_some_and(|attributes| is_test(attributes))
}

/// Whether these attributes keep an item out of everything but tests and loom models.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || matches!(&attribute.meta, Meta::List(list) if list.path.is_ident("cfg")
                && list.parse_args().is_ok_and(|predicate| needs_test(&predicate)))
    })
}

fn needs_test(predicate: &Meta) -> bool {
    match predicate {
        Meta::Path(path) => path.is_ident("test") || path.is_ident("loom"),
        Meta::List(list) => {
            let Ok(parts) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
                return false;
            };
            (list.path.is_ident("all") && parts.iter().any(needs_test))
                || (list.path.is_ident("any") && parts.iter().all(needs_test))
        }
        Meta::NameValue(_) => false,
    }
}
