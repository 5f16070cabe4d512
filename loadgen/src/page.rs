//! The parts of a page that opens without a network: one file, without script.

use std::fmt::Write;

/// Text as HTML shows it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A page with this style around what is its body.
pub fn page(title: &str, style: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escaped(title)
    )
}

/// A table of cells that are HTML already. The first row is its head, if it has one.
pub fn table<R>(class: &str, has_head: bool, rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = String>,
{
    let mut table = match class {
        "" => "<table>\n".to_owned(),
        _ => format!("<table class=\"{class}\">\n"),
    };
    for (number, row) in rows.into_iter().enumerate() {
        let tag = if number == 0 && has_head { "th" } else { "td" };
        let cells: String = row.into_iter().map(|cell| format!("<{tag}>{cell}</{tag}>")).collect();
        _ = writeln!(table, "<tr>{cells}</tr>");
    }
    table + "</table>\n"
}

/// Remarks, each a point of a list.
pub fn list(remarks: &[String]) -> String {
    let points: String = remarks.iter().map(|remark| format!("<li>{}</li>\n", escaped(remark))).collect();
    format!("<ul>\n{points}</ul>\n")
}
