//! Answers: JSON for all but the metrics, also where something is wrong.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::web_pages;

pub(super) const JSON: &str = "application/json; charset=utf-8";

/// What a request is answered with.
pub(super) struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: Bytes,
    /// It is for a browser to show.
    is_page: bool,
}

/// What is wrong with a request.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    what: String,
    /// The methods that are answered.
    allow: Option<&'static str>,
}

#[derive(Serialize)]
struct Wrong<'w> {
    error: &'w str,
}

impl Answer {
    pub(super) fn json(value: &impl Serialize) -> Answer {
        Answer::of(StatusCode::OK, value)
    }

    /// What was asked for has begun.
    pub(super) fn accepted(value: &impl Serialize) -> Answer {
        Answer::of(StatusCode::ACCEPTED, value)
    }

    /// On one line, for what nobody reads.
    pub(super) fn compact(value: &impl Serialize) -> Answer {
        Answer::written(StatusCode::OK, serde_json::to_vec(value))
    }

    pub(super) fn of(status: StatusCode, value: &impl Serialize) -> Answer {
        Answer::written(status, serde_json::to_vec_pretty(value))
    }

    fn written(status: StatusCode, written: serde_json::Result<Vec<u8>>) -> Answer {
        match written {
            Ok(mut body) => {
                body.push(b'\n');
                Answer { status, kind: JSON, body: body.into(), is_page: false }
            }
            Err(error) => {
                let what = format!("the answer could not be written as JSON: {error}");
                Failure::new(StatusCode::INTERNAL_SERVER_ERROR, what).answer()
            }
        }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn text(kind: &'static str, body: impl Into<Bytes>) -> Answer {
        Answer { status: StatusCode::OK, kind, body: body.into(), is_page: false }
    }

    /// A file of the page.
    pub(super) fn page(kind: &'static str, content: &'static str) -> Answer {
        Answer { status: StatusCode::OK, kind, body: Bytes::from_static(content.as_bytes()), is_page: true }
    }
}

impl Failure {
    pub(super) fn new(status: StatusCode, what: impl Into<String>) -> Failure {
        Failure { status, what: what.into(), allow: None }
    }

    /// Something in the request is not as it must be.
    pub(super) fn bad(what: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, what)
    }

    /// It may work later.
    pub(super) fn busy(what: impl Into<String>) -> Failure {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, what)
    }

    pub(super) fn method(allow: &'static str, what: impl Into<String>) -> Failure {
        Failure { status: StatusCode::METHOD_NOT_ALLOWED, what: what.into(), allow: Some(allow) }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    fn answer(&self) -> Answer {
        Answer::of(self.status, &Wrong { error: &self.what })
    }
}

/// Nothing of an answer is kept by those between, nor taken for something else by a browser.
const HEADERS: [(&str, &str); 2] = [("cache-control", "no-store"), ("x-content-type-options", "nosniff")];

pub(super) fn response(answered: Result<Answer, Failure>) -> Response<Full<Bytes>> {
    let (answer, failure) = match answered {
        Ok(answer) => (answer, None),
        Err(failure) => (failure.answer(), Some(failure)),
    };
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    for (name, value) in if answer.is_page { &web_pages::HEADERS[..] } else { &HEADERS } {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if answer.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(allow) = failure.and_then(|failure| failure.allow) {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}
