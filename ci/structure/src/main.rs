//! Prints what breaks a rule of this tree.

use std::{path::PathBuf, process::ExitCode};

use structure::{circles, text, tree::Tree};

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
    let root = root.map_or_else(|| here.ancestors().find(|at| at.join(".git").exists()).unwrap_or(&here).to_owned(), PathBuf::from);
    let tree = match Tree::read(&root) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("structure: cannot read {}: {error}", root.display());
            return ExitCode::from(2);
        }
    };
    let mut checks = vec![("Import circles", circles::check(&tree, only.as_deref()))];
    if only.is_none() {
        checks.extend([
            ("Unsafe code", text::check_unsafe(&tree)),
            ("Wide comments", text::check_comments(&tree)),
            ("Long files", text::check_lengths(&tree)),
            ("Roundabout words", text::check_words(&tree)),
        ]);
    }
    for (name, findings) in &checks {
        println!("{name}: {}", if findings.is_empty() { "none".to_owned() } else { findings.len().to_string() });
        findings.iter().for_each(|finding| println!("  {finding}"));
    }
    ExitCode::from(u8::from(checks.iter().any(|(_, findings)| !findings.is_empty())))
}
