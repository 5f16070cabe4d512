//! Compiles the functions with variable arguments, which Rust cannot define.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=src/c");
    println!("cargo:rerun-if-changed=include");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let mut files: Vec<_> = std::fs::read_dir(Path::new("src/c"))
        .map(|files| files.flatten().map(|file| file.path()).collect())
        .unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|ext| ext == "c"));
    files.sort();
    if !files.is_empty() {
        cc::Build::new().files(files).flag("-fvisibility=hidden").warnings(true).compile("winsock_c");
    }
}
