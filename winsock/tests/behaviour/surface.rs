//! The headers against the library, and against what programs use.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::program::library;

/// All headers, as one text.
fn headers() -> String {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let files =
        |folder: PathBuf| fs::read_dir(folder).expect("the headers can be read").flatten().map(|file| file.path());
    let files: Vec<_> = files(include.join("wsk")).chain(files(include)).filter(|path| path.is_file()).collect();
    assert!(files.len() > 20, "{} headers", files.len());
    files.iter().map(|file| fs::read_to_string(file).expect("a header is UTF-8")).collect()
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect()
}

/// `WSK(Foo)` in a header binds `Foo` to the symbol `wsk_Foo`.
#[test]
fn headers_declare_only_what_the_library_has() {
    let headers = headers();
    let bound = headers.split("WSK(").skip(1).filter_map(|rest| rest.split_once(')')).map(|(name, _)| name);
    let bound: BTreeSet<_> = bound.filter(|name| *name != "name").collect();
    assert!(bound.len() > 400, "{} functions", bound.len());
    let output = Command::new("nm").args(["-g", "--defined-only"]).arg(library()).output().expect("nm runs");
    let symbols = String::from_utf8_lossy(&output.stdout);
    let symbols: BTreeSet<_> = symbols.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    let missing: Vec<_> = bound.iter().filter(|name| !symbols.contains(format!("wsk_{name}").as_str())).collect();
    assert!(missing.is_empty(), "{} are declared and not there: {missing:?}", missing.len());
}

/// The names that the library exports, without their prefix, are found in a header: bound with
/// `WSK`, bound to a name of the C library, called by a header itself, or with a GUID.
#[test]
fn the_library_exports_only_what_headers_declare() {
    let headers = headers();
    let shared = std::env::current_exe().expect("its own path").with_file_name("libwinsock.so");
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(shared).output().expect("nm runs");
    let symbols = String::from_utf8_lossy(&output.stdout);
    let symbols: BTreeSet<_> = symbols.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert!(symbols.len() > 600, "{} symbols", symbols.len());
    let words = words(&headers);
    let is_declared = |symbol: &str| {
        let Some(name) = symbol.strip_prefix("wsk_") else { return false };
        let by_guid = format!("WSAID_{}", name.to_uppercase());
        headers.contains(&format!("WSK({name})")) || words.contains(symbol) || words.contains(by_guid.as_str())
    };
    let undeclared: Vec<_> = symbols.iter().filter(|symbol| !is_declared(symbol)).collect();
    assert!(undeclared.is_empty(), "{} are exported and in no header: {undeclared:?}", undeclared.len());
}

#[test]
fn what_programs_name_is_there_or_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (names, page, headers) = (read("tests/names.txt"), read("../docs/winsock.md"), headers());
    let (there, explained) = (words(&headers), words(&page));
    let names: Vec<_> = names.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(names.len() > 600, "{} names", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !there.contains(**name) && !explained.contains(**name)).collect();
    assert!(missing.is_empty(), "neither in the headers nor in docs/winsock.md: {missing:?}");
}
