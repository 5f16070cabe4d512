//! GET over HTTP/1.1: what is asked, and the check of every response.

use anyhow::{Context, Result, bail, ensure};

use super::content::{Content, first_difference};
use super::echoes::{Answers, Place};

pub(super) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// What every response has to say.
const BODY: &[u8] = b"Hello, World!";

/// No server here says more about it.
const LONGEST: usize = 4096;

/// What of a response came so far, while it is not whole.
#[derive(Default)]
pub(super) struct Responses(Vec<u8>);

impl Answers for Responses {
    fn received(&mut self, said: &Content, place: Place, bytes: &[u8]) -> Result<u64> {
        ensure!(place.sent / said.message as u64 > place.answered, "response {}: it came unasked", place.answered);
        self.0.extend_from_slice(bytes);
        let whole = is_whole(&self.0).with_context(|| format!("response {}", place.answered))?;
        if whole {
            self.0.clear();
        }
        Ok(u64::from(whole))
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
            let wrong = first_difference(body, BODY);
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
    use overlapped::Time;

    use super::super::echoes::{Echoes, Pace};
    use super::super::load::Load;
    use super::super::window::Window;
    use super::*;

    const GOOD: &str = "HTTP/1.1 200 OK\r\nserver: x\r\nContent-Length: 13\r\n\r\nHello, World!";

    /// A connection that has asked.
    fn asked() -> Echoes<Responses> {
        let mut requests = Echoes::new(1, Content::same(REQUEST), Pace::Closed { least: 0, most: 1 });
        requests.start(Time::ZERO);
        assert_eq!(requests.unsent(0), REQUEST);
        requests.sent(0, REQUEST.len());
        requests
    }

    fn respond(requests: &mut Echoes<Responses>, response: &str) -> Result<()> {
        requests.received(0, response.as_bytes(), Time::ZERO, &mut Window::endless()?)
    }

    #[test]
    fn a_response_may_come_in_any_two_parts() {
        for cut in 0..GOOD.len() {
            let mut requests = asked();
            let (first, second) = GOOD.split_at(cut);
            respond(&mut requests, first).unwrap();
            assert!(requests.unsent(0).is_empty());
            respond(&mut requests, second).unwrap();
            assert_eq!(requests.unsent(0), REQUEST);
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
            let error = format!("{:#}", respond(&mut asked(), &GOOD.replace(from, to)).unwrap_err());
            assert!(error.contains(named) && error.contains("connection 0"), "{to}: {error}");
        }
    }

    #[test]
    fn a_response_that_nobody_asked_for_is_an_error() {
        let mut requests = Echoes::new(1, Content::same(REQUEST), Pace::Closed { least: 0, most: 1 });
        assert!(respond(&mut requests, GOOD).is_err());
        let mut requests = asked();
        respond(&mut requests, GOOD).unwrap();
        assert!(respond(&mut requests, GOOD).is_err());
    }

    #[test]
    fn a_head_without_end_is_an_error_and_not_kept_for_ever() {
        assert!(respond(&mut asked(), &"x".repeat(LONGEST)).is_err());
    }
}
