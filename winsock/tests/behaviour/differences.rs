//! `differences.txt`: where this library differs from Wine on purpose.
//!
//! A row is `case | line | ours | Wine's | why`. `line` counts the lines that the case prints under
//! Wine, from 1. `*` in `ours` stands for any text.

use std::path::Path;

pub(crate) struct Difference {
    pub(crate) case: String,
    pub(crate) line: usize,
    pub(crate) ours: String,
    pub(crate) wines: String,
    why: String,
}

pub(crate) struct Differences(Vec<Difference>);

impl Differences {
    pub(crate) fn read(file: &Path) -> Differences {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let rows = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        Differences(rows.map(|row| parse(row).unwrap_or_else(|| panic!("not a row of five fields: {row}"))).collect())
    }

    pub(crate) fn at(&self, case: &str, line: usize) -> Option<&Difference> {
        self.0.iter().find(|row| row.case == case && row.line == line)
    }

    /// The rows that no recorded line belongs to, or that say nothing.
    pub(crate) fn without_a_line(&self, recorded: &[(String, String)]) -> Vec<String> {
        let belongs = |row: &Difference| {
            let text = recorded.iter().find(|(case, _)| *case == row.case).map_or("", |(_, text)| text);
            text.lines().nth(row.line - 1) == Some(&row.wines)
        };
        let stale = self.0.iter().filter(|row| !belongs(row) || row.ours == row.wines || row.why.len() < 10);
        stale.map(|row| format!("{} | {} | {} | {}", row.case, row.line, row.ours, row.wines)).collect()
    }
}

fn parse(row: &str) -> Option<Difference> {
    let fields: Vec<_> = row.split(" | ").map(str::trim).collect();
    let [case, line, ours, wines, why] = fields.as_slice() else { return None };
    let line = line.parse().ok().filter(|line| *line > 0)?;
    let [case, ours, wines, why] = [case, ours, wines, why].map(|field| (*field).to_owned());
    Some(Difference { case, line, ours, wines, why })
}
