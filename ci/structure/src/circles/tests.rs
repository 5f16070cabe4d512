use super::{arrows, check};
use crate::{module::Crate, tree::Tree};

/// The arrows of a crate whose files these are, as `a -> b: names`.
fn drawn(files: &[(&str, &str)]) -> Vec<String> {
    let tree: Tree = files.iter().copied().collect();
    let one = Crate::load(&tree, "fixture", "src/lib.rs");
    assert_eq!(one.unread, []);
    let short = |file: &str| file.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap().to_owned();
    let mut drawn = Vec::new();
    for (from, to) in arrows(&one) {
        for (to, names) in to {
            let names: Vec<_> = names.into_iter().collect();
            drawn.push(format!("{} -> {}: {}", short(&from), short(&to), names.join(" ")));
        }
    }
    drawn
}

fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let tree: Tree = files.iter().copied().collect();
    check([&Crate::load(&tree, "fixture", "src/lib.rs")]).iter().map(ToString::to_string).collect()
}

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; pub struct A(B);"),
        ("src/b.rs", "use crate::{a::A, c::C}; pub struct B(Box<A>, C);"),
        ("src/c.rs", "pub struct C;"),
    ];
    let expected = "fixture: 2 files take names from each other in a circle
    src/a.rs -> src/b.rs: B
    src/b.rs -> src/a.rs: A";
    assert_eq!(findings(&files), [expected]);
}

#[test]
fn a_circle_of_three_files_is_found() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; pub struct A(B);"),
        ("src/b.rs", "use crate::c::C; pub struct B(C);"),
        ("src/c.rs", "use crate::a::A; pub struct C(Box<A>);"),
    ];
    let found = findings(&files);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("fixture: 3 files"), "{found:?}");
}

#[test]
fn imports_in_one_direction_are_accepted() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c; pub use a::A; pub use b::B;"),
        ("src/a.rs", "use crate::{b::B, c::C}; pub struct A(B, C);"),
        ("src/b.rs", "use crate::c::C; pub struct B(C);"),
        ("src/c.rs", "pub struct C;"),
    ];
    assert_eq!(findings(&files), [""; 0]);
}

#[test]
fn a_name_through_a_reexport_of_the_parent_comes_from_where_it_is_defined() {
    let files = [
        ("src/lib.rs", "mod part; mod user;"),
        ("src/part/mod.rs", "mod one; mod two; pub use self::{one::One, two::*};"),
        ("src/part/one.rs", "pub struct One;"),
        ("src/part/two.rs", "use super::One; pub struct Two(One);"),
        ("src/user.rs", "use crate::part::{One, Two}; pub struct User(One, Two);"),
    ];
    assert_eq!(drawn(&files), ["part/two -> part/one: One", "user -> part/one: One", "user -> part/two: Two"]);
}

#[test]
fn a_reexport_from_elsewhere_is_an_import() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "pub use crate::b::B; pub struct A;"),
        ("src/b.rs", "pub struct B(crate::a::A);"),
    ];
    assert_eq!(drawn(&files), ["a -> b: B", "b -> a: A"]);
}

#[test]
fn a_parent_that_uses_what_it_reexports_takes_it() {
    let files = [
        ("src/lib.rs", "mod child; pub use child::Child; pub struct Parent(Child);"),
        ("src/child.rs", "impl super::Parent { fn f(&self) {} } pub struct Child;"),
    ];
    assert_eq!(drawn(&files), ["child -> lib: Parent", "lib -> child: Child"]);
}

#[test]
fn super_and_self_lead_to_their_modules() {
    let files = [
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", "mod b; pub const LIMIT: usize = 1; fn f() { self::b::g() }"),
        ("src/a/b.rs", "mod c; pub fn g() -> usize { super::LIMIT }"),
        ("src/a/b/c.rs", "use super::super::LIMIT; const MORE: usize = LIMIT;"),
    ];
    assert_eq!(drawn(&files), ["a -> a/b: g", "a/b -> a: LIMIT", "a/b/c -> a: LIMIT"]);
}

#[test]
fn an_inline_module_belongs_to_its_file() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "pub mod inner { pub struct In; pub fn f(_: super::Out, _: crate::b::B) {} } pub struct Out;"),
        ("src/b.rs", "use crate::a::inner; pub struct B; fn f(_: inner::In) {}"),
    ];
    assert_eq!(drawn(&files), ["a -> b: B", "b -> a: In"]);
}

#[test]
fn the_file_of_a_module_in_an_inline_module_is_found() {
    let files = [
        ("src/lib.rs", "mod a; pub struct Top;"),
        ("src/a.rs", "mod inner { mod deep; #[path = \"other.rs\"] mod moved; }"),
        ("src/a/inner/deep.rs", "use crate::Top; fn f(_: Top) {}"),
        ("src/a/inner/other.rs", "fn f(_: crate::Top) {}"),
    ];
    assert_eq!(drawn(&files), ["a/inner/deep -> lib: Top", "a/inner/other -> lib: Top"]);
}

#[test]
fn a_name_through_a_glob_comes_from_where_it_is_defined() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "pub use crate::b::*; pub struct A;"),
        ("src/b.rs", "pub use crate::a::*; pub struct B;"),
        ("src/c.rs", "use crate::a::*; fn f(_: A, _: B, _: Vec<u8>) {}"),
    ];
    assert_eq!(drawn(&files), ["c -> a: A", "c -> b: B"]);
}

#[test]
fn qualified_paths_in_code_are_seen() {
    let b = "pub struct T; pub fn f() {} pub const C: u8 = 0; pub enum E { One, Two(u8) } pub trait R { type O; }";
    let each = [
        ("fn x(_: crate::b::T) {}", "T"),
        ("fn x() { crate::b::f() }", "f"),
        ("fn x(n: u8) -> bool { matches!(n, crate::b::C) }", "C"),
        ("fn x(n: u8) { match n { crate::b::C => {} _ => {} } }", "C"),
        ("use crate::b; fn x() -> b::E { b::E::One }", "E"),
        ("use crate::b::E::Two; fn x() -> u8 { 0 }", "E"),
        ("fn x<V: crate::b::R>() {}", "R"),
        ("fn x<V>(_: <V as crate::b::R>::O) {}", "R"),
        ("impl crate::b::R for () { type O = (); }", "R"),
        ("impl crate::b::T { fn m() {} }", "T"),
        ("fn x() { use crate::b::f; f() }", "f"),
    ];
    for (code, name) in each {
        let files = [("src/lib.rs", "mod a; mod b;"), ("src/a.rs", code), ("src/b.rs", b)];
        assert_eq!(drawn(&files), [format!("a -> b: {name}")], "{code}");
    }
}

#[test]
fn names_in_the_tokens_of_macros_are_seen() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b; fn f() { println!(\"{}\", b::LIMIT + crate::b::f(&[b::E::One])); }"),
        ("src/b.rs", "pub const LIMIT: u8 = 0; pub enum E { One } pub fn f(_: &[E]) -> u8 { 0 }"),
    ];
    assert_eq!(drawn(&files), ["a -> b: E LIMIT f"]);
}

#[test]
fn names_in_the_attributes_of_derives_are_seen() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b; struct S { #[arg(long, value_parser = b::parse)] field: u8 }"),
        ("src/b.rs", "pub fn parse(_: &str) -> u8 { 0 }"),
    ];
    assert_eq!(drawn(&files), ["a -> b: parse"]);
}

#[test]
fn fields_methods_and_variables_in_the_tokens_of_macros_are_no_names() {
    let files = [
        ("src/lib.rs", "mod a; mod b; pub use b::f;"),
        ("src/a.rs", "use crate::*; macro_rules! m { ($f:expr) => { g(x.f, y.f(), S { f: $f }) } } fn g() {}"),
        ("src/b.rs", "pub fn f() {}"),
    ];
    assert_eq!(drawn(&files), [""; 0]);
}

#[test]
fn a_macro_is_taken_from_a_module_around() {
    let files = [
        ("src/lib.rs", "macro_rules! each { () => { $crate::b::f() } } pub fn write() {} mod a; mod b;"),
        ("src/a.rs", "fn x() { each!(); write!(y).ok(); }"),
        ("src/b.rs", "pub fn f() {}"),
    ];
    assert_eq!(drawn(&files), ["a -> lib: each", "lib -> b: f"]);
}

#[test]
fn all_systems_are_taken_and_a_name_of_one_is_not_sought_in_the_other() {
    let files = [
        ("src/lib.rs", "mod a; pub mod os;"),
        ("src/a.rs", "use crate::os::{both, one}; fn f() { both(); one() }"),
        (
            "src/os.rs",
            "#[cfg(unix)] mod unix; #[cfg(unix)] use unix as system;
            #[path = \"win/dows.rs\"] #[cfg(windows)] mod windows; #[cfg(windows)] use windows as system;
            pub use system::{both, one};",
        ),
        ("src/os/unix.rs", "pub fn both() {} pub fn one() {}"),
        ("src/win/dows.rs", "pub fn both() {}"),
    ];
    assert_eq!(drawn(&files), ["a -> os/unix: both one", "a -> win/dows: both"]);
}

#[test]
fn what_enters_the_crate_through_a_file_comes_from_that_file() {
    let files = [
        ("src/lib.rs", "mod a; mod sync;"),
        ("src/a.rs", "use std::fmt; use crate::sync::{Arc, LOCAL}; fn f(_: Arc<u8>, _: fmt::Error) {}"),
        ("src/sync.rs", "pub use std::sync::Arc; thread_local! { pub static LOCAL: u8 = 0; }"),
    ];
    assert_eq!(drawn(&files), ["a -> sync: Arc LOCAL"]);
}

#[test]
fn a_name_that_is_a_module_and_a_function_is_both() {
    let files = [
        ("src/lib.rs", "mod a; mod mailbox; pub use mailbox::mailbox;"),
        ("src/a.rs", "use crate::mailbox; fn f(_: mailbox::Sender) { mailbox() }"),
        ("src/mailbox.rs", "pub struct Sender; pub fn mailbox() {}"),
    ];
    assert_eq!(drawn(&files), ["a -> mailbox: Sender mailbox"]);
}

#[test]
fn tests_models_attributes_and_visibilities_are_left_out() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        (
            "src/a.rs",
            "#[cfg(test)] mod tests; #[cfg(all(loom, unix))] mod models; pub struct A;
            #[cfg(test)] mod inline { use crate::b::B; }
            #[cfg(test)] use crate::b::B;
            #[cfg(any(test, loom))] fn f(_: crate::b::B) {}
            impl A { #[cfg(test)] fn f(_: crate::b::B) {} #[doc = \"b::B\"] pub(in crate::b) fn g() {} }",
        ),
        ("src/a/tests.rs", "use crate::b::B;"),
        ("src/a/models.rs", "use crate::b::B;"),
        ("src/b.rs", "#[cfg(not(test))] use crate::a::A; #[cfg(any(test, unix))] use crate::a::C; pub struct B;"),
    ];
    assert_eq!(drawn(&files), ["b -> a: A C"]);
}

#[test]
fn a_file_that_is_missing_or_no_rust_is_reported() {
    let files = [("src/lib.rs", "mod missing;\nmod broken;"), ("src/broken.rs", "\nfn {")];
    let found = findings(&files);
    assert!(found.iter().any(|it| it == "src/lib.rs: the file of `mod missing` was not found"), "{found:?}");
    assert!(found.iter().any(|it| it.starts_with("src/broken.rs:2: cannot be parsed")), "{found:?}");
}
