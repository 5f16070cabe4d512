//! GET over HTTP/1.1 with keep-alive: every connection sends a request, waits for the whole
//! response, and sends the next. A unit is a response.

use anyhow::{Context, Result, bail, ensure};

use super::closed_loop::{ClosedLoop, Exchange};
use super::load;
use super::measurement::Measurement;
use super::setup::Setup;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// What every response has to say.
const BODY: &[u8] = b"Hello, World!";

/// No server here says more about it.
const LONGEST: usize = 4096;

pub(super) fn run(setup: &Setup) -> Result<Measurement> {
    let connections = setup.case.get("connections");
    let sockets = setup.connect(connections)?;
    load::run(sockets, &mut ClosedLoop::new((0..connections).map(Request::new)), setup.window()?)
}

struct Request {
    connection: usize,
    number: u64,
    sent: usize,
    /// What of the response came so far, while it is not whole.
    response: Vec<u8>,
    complete: bool,
}

impl Request {
    fn new(connection: usize) -> Self {
        Self { connection, number: 0, sent: 0, response: Vec::new(), complete: false }
    }
}

impl Exchange for Request {
    fn next(&mut self) {
        self.number += 1;
        self.sent = 0;
        self.complete = false;
    }

    fn unsent(&self) -> &[u8] {
        &REQUEST[self.sent..]
    }

    fn sent(&mut self, count: usize) {
        self.sent += count;
    }

    fn received(&mut self, bytes: &[u8]) -> Result<u64> {
        let Self { connection, number, .. } = *self;
        let place = || format!("connection {connection}, response {number}");
        ensure!(!self.complete && self.sent == REQUEST.len(), "{}: it came unasked", place());
        if self.response.is_empty() {
            // Nearly always it comes at once, and need not be kept.
            self.complete = is_whole(bytes).with_context(place)?;
            if !self.complete {
                self.response.extend_from_slice(bytes);
            }
        } else {
            self.response.extend_from_slice(bytes);
            self.complete = is_whole(&self.response).with_context(place)?;
        }
        if self.complete {
            self.response.clear();
        }
        Ok(u64::from(self.complete))
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn describe(&self) -> String {
        let Self { connection, number, sent, .. } = self;
        let (asked, came) = (REQUEST.len(), self.response.len());
        format!("connection {connection}, request {number}: {sent} of {asked} bytes sent, {came} of the response came")
    }
}

/// Whether these are the bytes of one whole response, which is checked; or the beginning of one.
fn is_whole(response: &[u8]) -> Result<bool> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(head) = response.windows(END.len()).position(|bytes| bytes == END) else {
        ensure!(response.len() < LONGEST, "no end of its head within {LONGEST} bytes");
        return Ok(false);
    };
    let body = &response[head + END.len()..];
    if body.len() < BODY.len() && BODY.starts_with(body) {
        return Ok(false);
    }
    check_head(&response[..head])?;
    match body {
        BODY => Ok(true),
        _ if body.starts_with(BODY) => bail!("{} bytes too many", body.len() - BODY.len()),
        _ => {
            let wrong = body.iter().zip(BODY).take_while(|(a, b)| a == b).count();
            bail!("byte {wrong} of the body is not that of {:?}", String::from_utf8_lossy(BODY));
        }
    }
}

fn check_head(head: &[u8]) -> Result<()> {
    let head = std::str::from_utf8(head).context("its head is not text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    ensure!(status == "HTTP/1.1 200" || status.starts_with("HTTP/1.1 200 "), "its status is {status:?}");
    let mut length = None;
    for line in lines {
        let (name, value) = line.split_once(':').with_context(|| format!("{line:?} is no header"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<usize>().with_context(|| line.to_string())?);
        } else if name.eq_ignore_ascii_case("connection") {
            ensure!(!value.eq_ignore_ascii_case("close"), "it closes the connection");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("it has no length: {line}");
        }
    }
    ensure!(length == Some(BODY.len()), "its content-length is {length:?}, of {} bytes", BODY.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 200 OK\r\nserver: x\r\nContent-Length: 13\r\n\r\nHello, World!";

    fn respond(response: &str) -> Result<u64> {
        let mut request = Request::new(7);
        request.sent(REQUEST.len());
        request.received(response.as_bytes())
    }

    #[test]
    fn a_response_may_come_in_any_two_parts() {
        for cut in 0..GOOD.len() {
            let mut request = Request::new(7);
            request.sent(REQUEST.len());
            let (first, second) = GOOD.as_bytes().split_at(cut);
            assert_eq!(request.received(first).unwrap(), 0);
            assert!(!request.is_complete());
            assert_eq!(request.received(second).unwrap(), 1);
            assert!(request.is_complete());
            request.next();
            assert_eq!(request.unsent(), REQUEST);
        }
    }

    #[test]
    fn a_wrong_response_is_named() {
        for (from, to, named) in [
            ("200 OK", "404 Not Found", "404"),
            ("HTTP/1.1", "HTTP/1.0", "HTTP/1.0"),
            ("Content-Length: 13", "Content-Length: 14", "content-length"),
            ("Content-Length: 13\r\n", "", "content-length"),
            ("server: x", "Connection: close", "closes"),
            ("server: x", "Transfer-Encoding: chunked", "no length"),
            ("World!", "World?", "byte 12"),
            ("Hello", "Hllo", "byte 1 "),
            ("World!", "World!H", "1 bytes too many"),
        ] {
            let error = format!("{:#}", respond(&GOOD.replace(from, to)).unwrap_err());
            assert!(error.contains(named) && error.contains("connection 7"), "{to}: {error}");
        }
    }

    #[test]
    fn a_response_that_nobody_asked_for_is_an_error() {
        let mut request = Request::new(7);
        assert!(request.received(GOOD.as_bytes()).is_err());
        request.sent(REQUEST.len());
        request.received(GOOD.as_bytes()).unwrap();
        assert!(request.received(GOOD.as_bytes()).is_err());
    }

    #[test]
    fn a_head_without_end_is_an_error_and_not_kept_for_ever() {
        assert!(respond(&"x".repeat(LONGEST)).is_err());
    }
}
