//! Compares what a case printed with what it prints under Wine.

use crate::differences::Differences;

/// What is wrong, or nothing. Unexplained lines are reported as rows for `differences.txt`.
pub(crate) fn compare(case: &str, ours: &str, wines: &str, differences: &Differences) -> Option<String> {
    let mut report = Vec::new();
    let (ours, wines): (Vec<_>, Vec<_>) = (ours.lines().collect(), wines.lines().collect());
    for line in 0..ours.len().max(wines.len()) {
        let our = ours.get(line).copied().unwrap_or("(nothing)");
        let wine = wines.get(line).copied().unwrap_or("(nothing)");
        match differences.at(case, line + 1) {
            Some(row) if matches(&row.ours, our) => {}
            Some(row) => report.push(format!("{case} | {} | {our} | {wine} | the row says: {}", line + 1, row.ours)),
            None if our == wine => {}
            None => report.push(format!("{case} | {} | {our} | {wine} | ?", line + 1)),
        }
    }
    (!report.is_empty()).then(|| report.join("\n"))
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, end)) => text.len() >= begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end),
        None => pattern == text,
    }
}

#[test]
fn unexplained_lines_and_stale_rows_are_reported() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("differences-of-a-test.txt");
    std::fs::write(&file, "# a comment\n\none | 2 | b: yes | b: no | because it is documented\n").expect("written");
    let differences = Differences::read(&file);
    assert_eq!(compare("one", "a: 1\nb: yes\n", "a: 1\nb: no\n", &differences), None);
    assert!(
        compare("one", "a: 1\nb: no\n", "a: 1\nb: no\n", &differences).is_some_and(|it| it.contains("the row says"))
    );
    assert!(
        compare("one", "a: 2\nb: yes\n", "a: 1\nb: no\n", &differences).is_some_and(|it| it.starts_with("one | 1"))
    );
    assert!(compare("two", "a: 1\n", "a: 1\nb: no\n", &differences).is_some_and(|it| it.contains("(nothing)")));
    let recorded = |text: &str| vec![("one".to_owned(), text.to_owned())];
    assert_eq!(differences.without_a_line(&recorded("a: 1\nb: no\n")), Vec::<String>::new());
    assert_eq!(differences.without_a_line(&recorded("a: 1\nb: 2\n")).len(), 1);
}
