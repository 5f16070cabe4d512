//! The names that a module mentions, as they are written: its imports, paths and macro calls.
//!
//! Attributes, visibilities and test code are left out. Method calls are not seen.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{
    Attribute, Item, Meta, Token, UseTree, Visibility,
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
            UseTree::Name(tree) if tree.ident == "self" => {
                self.imports.push(Import { name: path.last().cloned(), path, re_export });
            }
            UseTree::Name(tree) => {
                path.push(tree.ident.to_string());
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
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'a syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Const(item) => &item.attrs[..],
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
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

/// The names that an item defines in its module, and whether they are macros.
pub fn defined(item: &Item) -> (Vec<String>, bool) {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::ForeignMod(block) => {
            let names = block.items.iter().filter_map(|item| match item {
                syn::ForeignItem::Fn(item) => Some(item.sig.ident.to_string()),
                syn::ForeignItem::Static(item) => Some(item.ident.to_string()),
                syn::ForeignItem::Type(item) => Some(item.ident.to_string()),
                _ => None,
            });
            return (names.collect(), false);
        }
        Item::Macro(syn::ItemMacro { ident: Some(name), .. }) => return (vec![name.to_string()], true),
        Item::Macro(call) => return (defined_in(call.mac.tokens.clone()), false),
        _ => return (Vec::new(), false),
    };
    (vec![name.to_string()], false)
}

/// The items that a macro's tokens seem to define, as in `thread_local! { static NAME: .. }`.
fn defined_in(tokens: TokenStream) -> Vec<String> {
    const KEYWORDS: [&str; 7] = ["const", "enum", "fn", "static", "struct", "trait", "type"];
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut names = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match (token, tokens.get(at + 1)) {
            (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if KEYWORDS.iter().any(|k| word == k) => {
                names.push(name.to_string());
            }
            (TokenTree::Group(group), _) if group.delimiter() == Delimiter::None => {
                names.extend(defined_in(group.stream()));
            }
            _ => {}
        }
    }
    names
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
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
