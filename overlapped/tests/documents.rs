//! The documents quote the code as it is, and name examples as cargo finds them.

use std::path::Path;

/// Every line that a document quotes from `echo_event` is in it.
#[test]
fn documents_quote_only_lines_that_are_in_echo_event() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join("examples/echo_event.rs")).unwrap();
    let example: Vec<&str> = example.lines().map(str::trim).collect();
    for document in ["models.md", "models.ko.md"] {
        let text = std::fs::read_to_string(root.join("../docs").join(document)).unwrap();
        let mut quoted = 0;
        let mut inside = false;
        for line in text.lines() {
            match line {
                "```rust,echo_event" => inside = true,
                "```" => inside = false,
                line if inside => {
                    assert!(example.contains(&line.trim()), "{document}: not in echo_event.rs: {line}");
                    quoted += 1;
                }
                _ => {}
            }
        }
        assert!(quoted > 15, "{document}: {quoted} lines quoted");
    }
}

/// Without it, cargo looks for the example in the program, which has none.
#[test]
fn commands_that_run_an_example_name_its_package() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut commands = 0;
    for folder in ["overlapped/examples", "proactor/examples", "docs", "."] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let file = if path.is_dir() { path.join("main.rs") } else { path };
            let Some("rs" | "md") = file.extension().and_then(|extension| extension.to_str()) else { continue };
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let is_of_example = |line: &&str| line.contains("cargo run ") && line.contains("--example ");
            for line in text.lines().filter(is_of_example) {
                assert!(line.contains(" -p "), "{}: {line}", file.display());
                commands += 1;
            }
        }
    }
    assert!(commands > 20, "{commands} commands");
}
