use super::{check_comments, check_lengths, check_unsafe, check_words};
use crate::{
    module::crates,
    tree::{Finding, Tree},
};

fn tree(files: &[(&str, &str)]) -> Tree {
    let manifest = ("overlapped/Cargo.toml", "[package]\nname = \"overlapped\"");
    files.iter().copied().chain([manifest]).collect()
}

fn places(findings: Vec<Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| finding.place).collect()
}

fn unsafe_places(files: &[(&str, &str)]) -> Vec<String> {
    let tree = tree(files);
    places(check_unsafe(&tree, &crates(&tree)))
}

#[test]
fn unsafe_outside_its_places_is_found() {
    let code =
        "fn a() {\n unsafe { b() } }\nunsafe fn b() {}\nunsafe trait C {}\nunsafe impl C for () {}\nm!(\nunsafe {})";
    let expected = [2, 3, 4, 5, 7].map(|line| format!("overlapped/src/op.rs:{line}"));
    assert_eq!(unsafe_places(&[("overlapped/src/op.rs", code)]), expected);
}

#[test]
fn unsafe_in_its_places_and_in_tests_is_accepted() {
    let code = "unsafe fn f() {}";
    let files = [
        ("overlapped/src/lib.rs", "#[cfg(test)] mod trials; mod sys;"),
        ("overlapped/src/trials.rs", code),
        ("overlapped/src/sys/mod.rs", code),
        ("overlapped/tests/memory.rs", code),
        ("overlapped/examples/echo.rs", code),
        ("fuzz/src/main.rs", code),
    ];
    assert_eq!(unsafe_places(&files), [""; 0]);
}

#[test]
fn unsafe_in_attributes_comments_and_strings_is_accepted() {
    let code = "#![deny(unsafe_code)]\n// unsafe\n/// unsafe\n#[unsafe(no_mangle)]\nfn f() { g(\"unsafe\") }";
    assert_eq!(unsafe_places(&[("overlapped/src/op.rs", code)]), [""; 0]);
}

/// A line of `width` columns that begins and ends like this.
fn wide(width: usize, begin: &str, end: &str) -> String {
    format!("{begin}{}{end}", "ß".repeat(width - begin.chars().count() - end.chars().count()))
}

fn comment_places(file: &str, lines: &[String]) -> Vec<String> {
    places(check_comments(&tree(&[(file, &lines.join("\n"))])))
}

#[test]
fn comments_that_are_too_wide_are_found() {
    let lines = [
        wide(101, "//! ", ""),
        wide(101, "    // ", ""),
        wide(101, "/// ", ""),
        wide(101, "fn f() {} // ", ""),
        wide(101, "/* ", ""),
        wide(101, "", " */"),
        wide(101, "/** ", "*/"),
        "mod a;".to_owned(),
    ];
    assert_eq!(comment_places("a.rs", &lines), [1, 2, 3, 4, 5, 6, 7].map(|line| format!("a.rs:{line}")));
    let lines = [wide(101, "# ", ""), wide(101, "a = 'b' # ", "")];
    assert_eq!(comment_places("a.toml", &lines), ["a.toml:1", "a.toml:2"]);
    assert_eq!(comment_places("a.sh", &lines), ["a.sh:1", "a.sh:2"]);
}

#[test]
fn comments_of_100_columns_and_wide_code_are_accepted() {
    let lines = [
        wide(100, "// ", ""),
        wide(120, "const URL: &str = \"http://a/", "\";"),
        wide(120, "#[doc = \"", "\"]"),
        "const MORE: &str = \"".to_owned(),
        wide(120, "    // in a string ", ""),
        "\";".to_owned(),
        wide(120, "const B: &str = r#\"", "\"#;"),
        wide(110, "fn f() { /* why */ g(\"", "\") }"),
    ];
    assert_eq!(comment_places("a.rs", &lines), [""; 0]);
    assert_eq!(comment_places("a.sh", &[wide(120, "echo ${#a} 'a # b", "'")]), [""; 0]);
}

#[test]
fn a_file_that_is_no_rust_is_reported() {
    let text = format!("\n{}", wide(101, "const A: &str = \"", ""));
    assert_eq!(check_comments(&tree(&[("a.rs", &text)])), [Finding::at("a.rs", 2, "is not Rust")]);
    assert_eq!(
        check_unsafe(&tree(&[("a.rs", &format!("{text} unsafe"))]), &[]),
        [Finding::at("a.rs", 2, "is not Rust")]
    );
}

#[test]
fn long_files_are_found_unless_they_are_tests() {
    let (short, long) = ("\n".repeat(500), "\n".repeat(501));
    let files = [
        ("overlapped/src/lib.rs", "mod long; mod short; #[cfg(all(test, loom))] mod models;"),
        ("overlapped/src/short.rs", short.as_str()),
        ("overlapped/src/long.rs", &long),
        ("overlapped/src/long/tests.rs", &long),
        ("overlapped/src/models.rs", &long),
        ("overlapped/tests/all/order.rs", &long),
        ("overlapped/examples/echo.rs", &long),
    ];
    let tree = tree(&files);
    let expected = ["overlapped/examples/echo.rs", "overlapped/src/long.rs"];
    assert_eq!(places(check_lengths(&tree, &crates(&tree))), expected);
}

/// Spelled in parts, so that this file has none of these words itself.
fn roundabout(lines: usize) -> String {
    let lines: Vec<_> = (0..lines)
        .map(|number| match number % 4 {
            0 => concat!("Who", "ever comes,"),
            1 => concat!("a list of", " which one"),
            2 => concat!("what is", " no frame"),
            _ => concat!("what came", " not"),
        })
        .collect();
    lines.join("\n")
}

#[test]
fn more_than_ten_roundabout_lines_are_reported_with_their_words() {
    let text = roundabout(9);
    let findings = check_words(&tree(&[("README.md", &text), ("a.rs", &roundabout(2))]));
    assert_eq!(findings.len(), 11);
    assert_eq!(findings[1].to_string(), concat!("README.md:2: say it directly, without \"of", " which\""));
}

#[test]
fn ten_roundabout_lines_and_words_like_them_are_accepted() {
    let like = "What is noted of whichever is nothing.\n".repeat(11);
    let files = [
        ("README.md", &*roundabout(10)),
        ("a.md", &like),
        ("CHANGELOG.md", &roundabout(20)),
        ("a.sh", &roundabout(20)),
    ];
    assert_eq!(places(check_words(&tree(&files))), [""; 0]);
}
