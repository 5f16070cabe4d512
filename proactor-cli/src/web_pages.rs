//! What the pages of the program share: their theme, and what a browser is told with each file.

/// Path, type and content of the colours and fonts.
pub(crate) const THEME: (&str, &str, &str) =
    ("/theme.css", "text/css; charset=utf-8", include_str!("web_pages/theme.css"));

/// A page has all of its own, and nothing of others may run in it or be asked for.
pub(crate) const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-cache"),
];
