//! The way to a collector: one request a connection, on the exporter's thread, within a time. The
//! log names a collector that does not answer once, until it answers again.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

/// For a request with its answer.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_ANSWER_BYTES: usize = 64 << 10;
const MOST_HEADERS: usize = 64;
const PORT: u16 = 80;

#[derive(Debug, Default)]
pub(super) struct Collector {
    is_away: AtomicBool,
}

#[async_trait]
impl HttpClient for Collector {
    /// It blocks: the exporter has a thread of its own.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = post(&request, Instant::now() + PATIENCE);
        match &answer {
            Ok(answer) if answer.status().is_success() => self.is_there(&request),
            Ok(answer) => self.is_not_there(&request, &format!("it answers {}", answer.status())),
            Err(why) => self.is_not_there(&request, why),
        }
        answer.map_err(Into::into)
    }
}

impl Collector {
    fn is_there(&self, request: &Request<Bytes>) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::warn!("the collector at {} takes spans again", request.uri());
        }
    }

    fn is_not_there(&self, request: &Request<Bytes>, why: &str) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::warn!("the collector at {} takes no spans: {why}; they are dropped until it does", request.uri());
        }
    }
}

/// Posts a request, and reads its answer.
fn post(request: &Request<Bytes>, deadline: Instant) -> Result<Response<Bytes>, String> {
    let mut stream = connect(request, deadline).map_err(|error| format!("could not connect: {error}"))?;
    let mut exchange = || -> io::Result<Vec<u8>> {
        write_all(&mut stream, head(request).as_bytes(), deadline)?;
        write_all(&mut stream, request.body(), deadline)?;
        read_answer(&mut stream, deadline)
    };
    let bytes = exchange().map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("no answer within {PATIENCE:?}"),
        _ => error.to_string(),
    })?;
    parse(&bytes).ok_or_else(|| "what it answers is not HTTP".to_owned())
}

fn connect(request: &Request<Bytes>, deadline: Instant) -> io::Result<TcpStream> {
    let uri = request.uri();
    let host = uri.host().unwrap_or_default();
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in format!("{host}:{}", uri.port_u16().unwrap_or(PORT)).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The time that is left.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn head(request: &Request<Bytes>) -> String {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut head = format!("{} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", request.method());
    for (name, value) in request.headers() {
        // Values that are no text cannot come from a variable.
        if let Ok(value) = value.to_str() {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    let _ = write!(head, "content-length: {}\r\n\r\n", request.body().len());
    head
}

fn write_all(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads to the end of an answer, or as much of it as may be.
fn read_answer(stream: &mut TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    while bytes.len() < MOST_ANSWER_BYTES && !is_whole(&bytes) {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// The status of an answer, its length, and where its body begins.
fn parse_head(bytes: &[u8]) -> Option<(u16, Option<usize>, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(begin) = head.parse(bytes).ok()? else { return None };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|length| std::str::from_utf8(length.value).ok()?.trim().parse().ok());
    Some((head.code?, length, begin))
}

fn is_whole(bytes: &[u8]) -> bool {
    parse_head(bytes).is_some_and(|(_, length, begin)| length.is_some_and(|length| bytes.len() - begin >= length))
}

/// An answer. Its body says how many spans were refused, and is left out if it is not whole.
fn parse(bytes: &[u8]) -> Option<Response<Bytes>> {
    let (status, length, begin) = parse_head(bytes)?;
    let body = &bytes[begin..];
    let body = length.and_then(|length| body.get(..length)).unwrap_or_default();
    Response::builder().status(status).body(Bytes::copy_from_slice(body)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_headers_and_its_length() {
        let request = Request::post("http://collector:4318/v1/traces?x=1").header("authorization", "Bearer x");
        let text = head(&request.body(Bytes::from_static(b"abc")).unwrap());
        assert!(text.starts_with("POST /v1/traces?x=1 HTTP/1.1\r\nhost: collector:4318\r\n"), "{text}");
        assert!(text.contains("\r\nauthorization: Bearer x\r\n") && text.ends_with("\r\ncontent-length: 3\r\n\r\n"));
    }

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        (0..whole.len()).for_each(|length| assert!(!is_whole(&whole[..length]), "{length}"));
        let answer = parse(whole).unwrap();
        assert!(is_whole(whole) && answer.status() == 200 && &answer.body()[..] == b"abc");
        // Chunks are not read.
        let answer = parse(b"HTTP/1.1 503 x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n").unwrap();
        assert!(answer.status() == 503 && answer.body().is_empty());
        for nonsense in [&b""[..], b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n"] {
            assert!(parse(nonsense).is_none(), "{nonsense:?}");
        }
    }
}
