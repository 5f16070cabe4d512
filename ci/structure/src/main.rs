//! Prints what breaks a rule of this tree.

use std::{path::PathBuf, process::ExitCode};

use structure::{
    circles,
    repository::{CHECKS, Repository},
};

const USAGE: &str = "usage: structure [--root DIR] [--crate NAME]

Prints what breaks a rule of this tree. Exits with 1 if anything does.

  --root DIR    The tree. Default: the directory around this one that has `.git`.
  --crate NAME  Print only the import circles of this crate.";

fn main() -> ExitCode {
    let (mut root, mut only) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = match argument.as_str() {
            "--root" => &mut root,
            "--crate" => &mut only,
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        };
        *value = arguments.next();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let root = root.map_or_else(
        || here.ancestors().find(|at| at.join(".git").exists()).unwrap_or(&here).to_owned(),
        PathBuf::from,
    );
    let repository = match Repository::read(&root) {
        Ok(repository) => repository,
        Err(error) => {
            eprintln!("structure: cannot read {}: {error}", root.display());
            return ExitCode::from(2);
        }
    };
    let results: Vec<_> = match &only {
        None => CHECKS.iter().map(|(rule, check)| (*rule, check(&repository))).collect(),
        Some(name) => vec![(CHECKS[0].0, circles::check(repository.crates.iter().filter(|one| one.name == *name)))],
    };
    if only.is_some_and(|name| repository.crates.iter().all(|one| one.name != name)) {
        eprintln!("structure: there is no crate of this name");
        return ExitCode::from(2);
    }
    for (rule, findings) in &results {
        println!("{rule}: {}", findings.len());
        findings.iter().for_each(|finding| println!("  {finding}"));
    }
    ExitCode::from(u8::from(results.iter().any(|(_, findings)| !findings.is_empty())))
}
