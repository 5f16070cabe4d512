use super::{check_changes, check_contracts, check_glossary, check_links, check_walks};
use crate::tree::{Finding, Tree};

const RING: &str = "pub struct Ring; impl Ring { fn next(&self) {} } trait Backend { fn start(); } fn setup() {}";
const ORDER: &str = "rules! { fn in_a_macro() {} } #[test] fn sends_leave_in_order() {}";

fn found(check: fn(&Tree) -> Vec<Finding>, page: &str) -> Vec<String> {
    let mut files =
        vec![("ARCHITECTURE.md", page), ("docs/glossary.md", page), ("src/ring.rs", RING), ("tests/order.rs", ORDER)];
    let others: Vec<_> = (0..12).map(|number| format!("src/file{number}.rs")).collect();
    files.extend(others.iter().map(|path| (path.as_str(), "fn f() {}")));
    check(&files.into_iter().collect()).iter().map(ToString::to_string).collect()
}

fn walks(packet: &str, broadcast: &str) -> Vec<String> {
    let page = format!(
        "# A\n## Path of a packet and of a broadcast\n### A packet\n{packet}\n### A broadcast\n{broadcast}\n## More\n- src/gone.rs: f\n"
    );
    found(check_walks, &page)
}

/// A step through each of some files.
fn steps(files: std::ops::Range<usize>) -> String {
    files.map(|number| format!("- src/file{number}.rs: f\n")).collect()
}

const GOOD: &str = "- src/ring.rs: setup";

#[test]
fn walks_that_are_true_and_short_are_accepted() {
    let packet =
        "From `src/gone.rs` or elsewhere:\n\n1. `src/ring.rs: Ring::next, Backend::start` — a remark about x.rs: y
        that goes on\n2. the user's handler\n3. src/ring.rs: setup()\n4. src/file0.rs: f\n5. src/ring.rs: next";
    assert_eq!(walks(packet, "```\n# no heading\nsrc/ring.rs: next\nsrc/file0.rs: f\n```"), [""; 0]);
    assert_eq!(walks(&steps(0..12), &steps(0..9)), [""; 0]);
}

#[test]
fn steps_to_what_is_gone_are_found() {
    let packet = "- src/gone.rs: f\n- src/ring.rs: Ring::next, Ring::setup, gone";
    let expected = [
        "ARCHITECTURE.md:4: there is no `src/gone.rs`",
        "ARCHITECTURE.md:5: `src/ring.rs` has no function `Ring::setup`",
        "ARCHITECTURE.md:5: `src/ring.rs` has no function `gone`",
    ];
    assert_eq!(walks(packet, GOOD), expected);
}

#[test]
fn steps_that_cannot_be_read_are_found() {
    let expected = [
        "ARCHITECTURE.md:4: a step is written `path/to/file.rs: function`",
        "ARCHITECTURE.md: `### A packet` names no file",
    ];
    assert_eq!(walks("- src/ring.rs, next", GOOD), expected);
    assert_eq!(walks("- then src/ring.rs: next", GOOD), expected);
    assert_eq!(walks("- src/ring.rs:", GOOD), expected);
}

#[test]
fn walks_that_are_too_long_are_found() {
    let packet = "ARCHITECTURE.md: `### A packet` goes through 13 files; at most 12";
    assert_eq!(walks(&format!("{}{GOOD}", steps(0..12)), GOOD), [packet]);
    let broadcast = "ARCHITECTURE.md: `### A broadcast` goes through 10 files; at most 9";
    assert_eq!(walks(GOOD, &steps(0..10)), [broadcast]);
}

#[test]
fn a_walk_that_enters_a_file_three_times_is_found() {
    let packet = format!("{}{}{}", steps(0..2), steps(0..2), steps(0..1));
    assert_eq!(walks(&packet, GOOD), ["ARCHITECTURE.md: `### A packet` enters src/file0.rs 3 times; at most 2"]);
}

#[test]
fn missing_headings_are_found() {
    let missing = |heading| format!("ARCHITECTURE.md: the heading `{heading}` is missing");
    let walks = ["## Path of a packet and of a broadcast", "### A packet", "### A broadcast"].map(missing);
    assert_eq!(found(check_walks, "# A\n```\n## Path of a packet and of a broadcast\n```\n"), walks);
    assert_eq!(found(check_changes, ""), [missing("## To change X, open Y")]);
    assert_eq!(found(check_contracts, ""), [missing("## Contracts")]);
    assert_eq!(found(check_glossary, ""), ["docs/glossary.md: the heading `# Glossary` is missing"]);
}

#[test]
fn changes_must_name_what_exists() {
    let page =
        |cell: &str| format!("## To change X, open Y\n\n| change | open |\n|---|---|\n| `a/b` | {cell} |\n\ntext\n");
    assert_eq!(found(check_changes, &page("`src/ring.rs`, `src/`, `Ring`")), [""; 0]);
    assert_eq!(found(check_changes, &page("[the ring](src/ring.rs) `src/ring.rs: setup`")), [""; 0]);
    assert_eq!(found(check_changes, &page("`src/gone.rs`")), ["ARCHITECTURE.md:5: there is no `src/gone.rs`"]);
    assert_eq!(found(check_changes, &page("[gone](src/gone)")), ["ARCHITECTURE.md:5: there is no `src/gone`"]);
    let nothing = "ARCHITECTURE.md:5: this row names no file or test that could be checked";
    assert_eq!(found(check_changes, &page("the `Ring`")), [nothing]);
}

#[test]
fn contracts_must_name_a_test_that_exists() {
    let page = |cell: &str| format!("## Contracts\n| contract | test |\n|---|---|\n| Order. | {cell} |\n");
    assert_eq!(found(check_contracts, &page("`tests/order.rs: sends_leave_in_order, in_a_macro`")), [""; 0]);
    let gone = "ARCHITECTURE.md:4: `tests/order.rs` has no function `gone`";
    assert_eq!(found(check_contracts, &page("`tests/order.rs: gone`")), [gone]);
    let nothing = "ARCHITECTURE.md:4: this row names no file or test that could be checked";
    assert_eq!(found(check_contracts, &page("`tests/order.rs`")), [nothing]);
}

#[test]
fn a_glossary_has_at_most_30_terms() {
    let page = |terms| format!("# Glossary\n| term | meaning |\n|---|---|\n{}", "| a | b |\n".repeat(terms));
    assert_eq!(found(check_glossary, &page(30)), [""; 0]);
    assert_eq!(found(check_glossary, &page(31)), ["docs/glossary.md: the glossary has 31 terms; at most 30"]);
    assert_eq!(found(check_glossary, "# Glossary\nnone"), ["docs/glossary.md: `# Glossary` has no table"]);
}

#[test]
fn links_must_lead_somewhere() {
    let good = "[a](src/ring.rs#L1) [b](./src) [c](#here) [d](https://a.b/c) ![e](src/../tests/order.rs \"title\")
        <img src=\"src/ring.rs\">\n```\n[f](gone)\n```\n";
    assert_eq!(found(check_links, good), [""; 0]);
    let bad = "[a](gone.md#x)\n<img src=\"gone.svg\"> [b](src/ring)";
    let expected = ["1: the link `gone.md`", "2: the link `src/ring`", "2: the link `gone.svg`"];
    assert_eq!(found(check_links, bad), expected.map(|place| format!("ARCHITECTURE.md:{place} leads nowhere")));
}
