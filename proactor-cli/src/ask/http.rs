//! One request to an admin listener, over TCP or a Unix socket. It blocks.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The time that a server has for most answers.
const PATIENCE: Duration = Duration::from_secs(20);
const MOST_ANSWER_BYTES: u64 = 64 << 20;
const MOST_HEADERS: usize = 64;

/// How every answer begins.
const BEGIN: &[u8] = b"HTTP/";

const IS_IT_ADMIN: &str = "is it a server's --admin? The first line that the server printed names that";

/// Where a server's admin listener is.
pub(crate) struct Listener {
    pub(crate) address: String,
    pub(crate) token: Option<String>,
}

pub(crate) struct Request {
    method: &'static str,
    path: String,
    parameters: Vec<(String, String)>,
    /// A server that answers nothing for so long is given up.
    patience: Duration,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Request {
        Request { method: "GET", path: path.into(), parameters: Vec::new(), patience: PATIENCE }
    }

    pub(crate) fn post(path: impl Into<String>) -> Request {
        Request { method: "POST", path: path.into(), parameters: Vec::new(), patience: PATIENCE }
    }

    pub(crate) fn with(self, parameters: Vec<(String, String)>) -> Request {
        Request { parameters, ..self }
    }

    pub(crate) fn waiting(self, patience: Duration) -> Request {
        Request { patience, ..self }
    }

    fn bytes(&self, host: &str, token: Option<&str>) -> Vec<u8> {
        let mut head = format!("{} {}", self.method, self.path);
        if !self.parameters.is_empty() {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.parameters).finish();
            head = format!("{head}?{query}");
        }
        let authorization = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        format!("{head} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{authorization}\r\n").into_bytes()
    }
}

/// A part of a path: what could end it, or the request, is encoded.
pub(crate) fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl Listener {
    pub(crate) fn ask(&self, request: &Request) -> Result<Answer, String> {
        let patience = request.patience;
        let failed = |what: &str, error: std::io::Error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("{what} {}: nothing came within {patience:?}", self.address)
            }
            _ => format!("{what} {}: {error}", self.address),
        };
        let mut stream = self.connect(patience).map_err(|error| {
            let why = failed("could not connect to the admin listener at", error);
            format!("{why}; is the server running, and was it started with --admin {}?", self.address)
        })?;
        let host = if self.address.starts_with("unix:") { "localhost" } else { self.address.as_str() };
        stream
            .write_all(&request.bytes(host, self.token.as_deref()))
            .map_err(|error| failed("could not ask", error))?;
        let unread = |error: std::io::Error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("{} did not answer within {patience:?}: {IS_IT_ADMIN}", self.address)
            }
            _ => failed("could not read the answer of", error),
        };
        let mut stream = stream.take(MOST_ANSWER_BYTES);
        let mut bytes = Vec::new();
        // A server of something else may keep the connection, and send nothing more.
        while bytes.len() < BEGIN.len() && stream.by_ref().take(1).read_to_end(&mut bytes).map_err(unread)? > 0 {
            if !BEGIN.starts_with(&bytes) {
                return Err(format!("{} does not speak HTTP: {IS_IT_ADMIN}", self.address));
            }
        }
        stream.read_to_end(&mut bytes).map_err(unread)?;
        parse(&bytes).ok_or_else(|| format!("the answer of {} is cut short: {IS_IT_ADMIN}", self.address))
    }

    fn connect(&self, patience: Duration) -> std::io::Result<Box<dyn Stream>> {
        if let Some(path) = self.address.strip_prefix("unix:") {
            #[cfg(unix)]
            {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(Box::new(stream));
            }
            #[cfg(not(unix))]
            return Err(std::io::Error::other(format!("there are no Unix sockets here: {path}")));
        }
        let mut last = std::io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(patience))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    return Ok(Box::new(stream));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// An answer that is whole.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).ok()? else { return None };
    let body = &bytes[length..];
    let content_length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    if let Some(expected) = content_length {
        let expected: usize = std::str::from_utf8(expected.value).ok()?.trim().parse().ok()?;
        if body.len() != expected {
            return None;
        }
    }
    Some(Answer { status: head.code?, body: body.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_parameters_and_its_token_and_nothing_of_them_gets_out_of_line() {
        let request = Request::get(format!("/sessions/{}", segment("0.1.2/../x HTTP\r\nevil: 1")));
        let request = request.with(vec![("peer".into(), "[::1] &x".into())]);
        let text = String::from_utf8(request.bytes("localhost", Some("secret"))).unwrap();
        assert!(
            text.starts_with("GET /sessions/0.1.2%2F..%2Fx+HTTP%0D%0Aevil%3A+1?peer=%5B%3A%3A1%5D+%26x HTTP/1.1\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\nauthorization: Bearer secret\r\n\r\n"));
    }

    #[test]
    fn an_answer_that_is_cut_short_is_none() {
        let whole = b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nabc";
        let answer = parse(whole).unwrap();
        assert_eq!((answer.status, &answer.body[..]), (404, b"abc".as_slice()));
        (0..whole.len()).for_each(|length| assert!(parse(&whole[..length]).is_none(), "{length}"));
        assert!(parse(b"SSH-2.0-OpenSSH\r\n").is_none());
    }
}
