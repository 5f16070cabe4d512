//! The documents quote the code as it is.

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
