use super::crates;
use crate::tree::Tree;

#[test]
fn crates_are_found_by_manifest_and_convention() {
    let tree: Tree = [
        ("Cargo.toml", "[workspace]\nmembers = [\"one\"]\n"),
        ("one/Cargo.toml", "# name = \"zero\"\n[package]\nname = \"one\"\n\n[[bin]]\nname = \"tool\"\n"),
        ("one/src/lib.rs", "mod part;"),
        ("one/src/part.rs", ""),
        ("one/src/bin/first.rs", ""),
        ("one/src/bin/second/main.rs", ""),
        ("one/src/bin/second/part.rs", ""),
        ("one/tests/outside.rs", ""),
        ("two/Cargo.toml", "[package]\nname=\"two\""),
        ("two/src/main.rs", ""),
    ]
    .into_iter()
    .collect();
    let found: Vec<_> = crates(&tree).iter().map(|one| (one.name.clone(), one.modules[0].file.clone())).collect();
    let expected = [
        ("one", "one/src/bin/first.rs"),
        ("one", "one/src/bin/second/main.rs"),
        ("one", "one/src/lib.rs"),
        ("two", "two/src/main.rs"),
    ];
    assert_eq!(found, expected.map(|(name, root)| (name.to_owned(), root.to_owned())));
}
