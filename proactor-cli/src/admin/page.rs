//! The live page of the admin listener: files in the program, which ask for nothing elsewhere.

use super::answer::Answer;
use crate::web_pages;

/// Path, type and content.
const FILES: [(&str, &str, &str); 10] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    web_pages::THEME,
    ("/live.css", "text/css; charset=utf-8", include_str!("page/live.css")),
    ("/live.js", "text/javascript; charset=utf-8", include_str!("page/live.js")),
    ("/nodes.js", "text/javascript; charset=utf-8", include_str!("page/nodes.js")),
    ("/ask.js", "text/javascript; charset=utf-8", include_str!("page/ask.js")),
    ("/plots.js", "text/javascript; charset=utf-8", include_str!("page/plots.js")),
    ("/session.js", "text/javascript; charset=utf-8", include_str!("page/session.js")),
    ("/sessions.js", "text/javascript; charset=utf-8", include_str!("page/sessions.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// Whether a path is that of a file.
pub(super) fn has(path: &str) -> bool {
    FILES.iter().any(|(known, ..)| *known == path)
}

/// The file of a path.
pub(super) fn file(path: &str) -> Option<Answer> {
    let (_, kind, content) = FILES.iter().find(|(known, ..)| *known == path)?;
    Some(Answer::page(kind, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_nothing_that_is_not_here() {
        let routes = ["/cluster", "/flight", "/history", "/sessions", "/status"];
        for (path, _, content) in FILES {
            for outside in [
                "https://",
                "//cdn",
                "innerHTML",
                "outerHTML",
                "insertAdjacent",
                "eval(",
                "@import",
                "style=\"",
                "setAttribute(\"style\"",
            ] {
                assert!(!content.contains(outside), "{path} has {outside}");
            }
            let quoted = content.split(['"', '\'', '`']).filter(|text| text.len() > 1 && text.starts_with('/'));
            for name in quoted.filter(|name| !name.contains(['>', ' ', '\n'])) {
                let asked = name.split(['?', '$']).next().unwrap_or(name).trim_end_matches('/');
                assert!(has(name) || routes.contains(&asked) || asked == "/close", "{path} asks for {name}");
            }
        }
        assert!(file("/none").is_none());
    }
}
