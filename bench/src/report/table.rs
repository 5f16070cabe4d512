//! One table, as text, as Markdown or as HTML. The first column is left-aligned, the others are
//! numbers.

use loadgen::page::{self, escaped};

pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: Vec<String>) -> Self {
        Self { rows: vec![header] }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.rows[0].len());
        self.rows.push(cells);
    }

    pub(super) fn text(&self) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for row in &self.rows {
            text.push_str(&self.cells(row, &widths).join("  "));
            text.push('\n');
        }
        text
    }

    pub(super) fn markdown(&self) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            text.push_str(&format!("| {} |\n", self.cells(row, &widths).join(" | ")));
            if number == 0 {
                let numbers = widths[1..].iter().map(|&width| "-".repeat(width + 1) + ":|");
                text.push_str(&format!("|:{}|{}\n", "-".repeat(widths[0] + 1), numbers.collect::<String>()));
            }
        }
        text
    }

    /// With the first cell of every row as `name` makes it.
    pub(super) fn html(&self, name: impl Fn(&str) -> String) -> String {
        let cells = |(number, row): (usize, &Vec<String>)| {
            let cell = |(column, cell): (usize, &String)| {
                if number > 0 && column == 0 { name(cell) } else { escaped(cell) }
            };
            row.iter().enumerate().map(cell).collect::<Vec<_>>()
        };
        page::table("", true, self.rows.iter().enumerate().map(cells))
    }

    fn cells(&self, row: &[String], widths: &[usize]) -> Vec<String> {
        row.iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect()
    }

    fn widths(&self) -> Vec<usize> {
        (0..self.rows[0].len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].chars().count());
                cells.max().unwrap_or(0)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(vec!["who".into(), "µs".into()]);
        table.row(vec!["a".into(), "10.5".into()]);
        table
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(table().text(), "who    µs\na    10.5\n");
    }

    #[test]
    fn html_is_escaped_but_for_the_names_that_are_made() {
        let mut table = table();
        table.row(vec!["b".into(), "<1".into()]);
        let html = table.html(|name| format!("<b>{name}</b>"));
        assert!(html.contains("<th>who</th>") && html.contains("<td><b>b</b></td><td>&lt;1</td>"), "{html}");
    }

    #[test]
    fn markdown_has_one_rule_under_the_header() {
        assert_eq!(table().markdown(), "| who |   µs |\n|:----|-----:|\n| a   | 10.5 |\n");
    }
}
