//! The page of a chat in a browser, and what HTTP asks for it.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::web_pages::{HEADERS, THEME};

/// Path, type and content.
const FILES: [(&str, &str, &str); 5] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    THEME,
    ("/chat.css", "text/css; charset=utf-8", include_str!("page/chat.css")),
    ("/chat.js", "text/javascript; charset=utf-8", include_str!("page/chat.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// Answers a request. A body is not read.
pub(super) async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(response(request.method(), request.uri().path()))
}

fn response(method: &Method, path: &str) -> Response<Full<Bytes>> {
    let file = FILES.iter().find(|(known, ..)| *known == path);
    let (status, kind, body) = match (file, method) {
        (None, _) => (StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "There is nothing here.\n"),
        (Some((_, kind, content)), &Method::GET | &Method::HEAD) => (StatusCode::OK, *kind, *content),
        (Some(_), _) => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "GET and HEAD are served here.\n")
        }
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_nothing_that_is_not_here() {
        for (path, kind, content) in FILES {
            let response = response(&Method::GET, path);
            assert_eq!(
                (response.status(), response.headers()[CONTENT_TYPE].as_bytes()),
                (StatusCode::OK, kind.as_bytes())
            );
            for outside in
                ["https://", "//cdn", "innerHTML", "outerHTML", "insertAdjacent", "eval(", "@import", "style=\""]
            {
                assert!(!content.contains(outside), "{path} has {outside}");
            }
            let quoted = content.split(['"', '\'']).filter(|text| text.len() > 1 && text.starts_with('/'));
            for name in quoted.filter(|name| !name.contains(['>', ' ', '\n'])) {
                assert!(name == "/ws" || FILES.iter().any(|(known, ..)| *known == name), "{path} asks for {name}");
            }
        }
        assert_eq!(response(&Method::GET, "/none").status(), StatusCode::NOT_FOUND);
        assert_eq!(response(&Method::POST, "/").headers()[ALLOW], "GET, HEAD");
    }
}
