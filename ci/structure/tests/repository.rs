//! The rules of this tree, one test a rule.

use std::{collections::BTreeSet, path::Path, sync::LazyLock};

use structure::repository::{CHECKS, Repository};

static REPOSITORY: LazyLock<Repository> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Repository::read(&root).expect("the tree can be read")
});

macro_rules! rules {
    ($($name:ident: $rule:literal,)*) => {
        $(#[test]
        fn $name() {
            let (_, check) = CHECKS.iter().find(|(rule, _)| *rule == $rule).expect("a rule of this name");
            let findings: Vec<_> = check(&REPOSITORY).iter().map(ToString::to_string).collect();
            assert!(findings.is_empty(), "{}: {} findings\n{}", $rule, findings.len(), findings.join("\n"));
        })*

        #[test]
        fn every_rule_has_a_test() {
            assert_eq!(CHECKS.map(|(rule, _)| rule), [$($rule),*]);
        }
    };
}

rules! {
    no_import_circles: "No import circle between the files of a crate",
    unsafe_only_where_it_is_needed: "`unsafe` only where it is needed",
    comments_are_narrow: "Comments of at most 100 columns",
    files_are_short: "Files of at most 500 lines",
    no_roundabout_words: "No roundabout words",
    walks_are_true_and_short: "The walks are true and short",
    changes_name_what_exists: "The table of changes names what exists",
    contracts_have_tests: "Every contract has its test",
    glossary_is_short: "The glossary is short",
    links_lead_somewhere: "Links lead somewhere",
}

#[test]
fn every_source_file_is_in_a_crate() {
    let found: BTreeSet<_> = REPOSITORY.crates.iter().flat_map(|one| &one.modules).map(|it| it.file.as_str()).collect();
    let files = REPOSITORY.tree.with_extension(&["rs"]).map(|(file, _)| file);
    let missing: Vec<_> = files.filter(|file| file.contains("/src/") && !found.contains(file)).collect();
    assert!(missing.is_empty(), "no `mod` leads to {missing:?}");
    assert!(found.len() > 100, "{}", found.len());
}
