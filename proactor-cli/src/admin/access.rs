//! Which clients are answered. If there is a token, those that send it. If not, those on this
//! machine, but no page of another site in a browser there.

use std::net::IpAddr;
use std::path::Path;
use std::{fs, hint};

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use proactor::{Address, Listener};

use super::answer::Failure;

const LEAST_TOKEN: usize = 16;
const MOST_TOKEN: usize = 1024;

pub(super) struct Access {
    token: Option<String>,
    /// Browsers cannot connect to a Unix socket.
    is_path: bool,
}

impl Access {
    /// Reads the token. Refuses an address that others reach without one.
    pub(super) fn new(listener: &Listener, text: &str, token_file: Option<&Path>) -> Result<Access, String> {
        let token = token_file.map(read_token).transpose()?;
        let is_path = matches!(listener.address(), Some(Address::Unix(_)));
        let is_own = match listener.address() {
            Some(address) => is_own(address),
            // `localhost` is looked up when it is bound.
            None => text.rsplit_once(':').is_some_and(|(host, _)| host == "localhost"),
        };
        if token.is_none() && !is_own {
            return Err(no_token(text));
        }
        Ok(Access { token, is_path })
    }

    /// What a name stood for may be another machine's business too.
    pub(super) fn check_bound(&self, addresses: &[Address]) -> Result<(), String> {
        match addresses.iter().find(|address| self.token.is_none() && !is_own(address)) {
            Some(address) => Err(no_token(&address.to_string())),
            None => Ok(()),
        }
    }

    /// Whether a request comes from where it may. A page of another site must not act through the
    /// browser of somebody here: its requests name it, or this listener by a name of its own.
    pub(super) fn check_site(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let refused = |what: String| Err(Failure::new(StatusCode::FORBIDDEN, what));
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let host = text(HOST);
        if let Some(origin) = text(ORIGIN)
            && origin.split_once("://").map(|(_, origin)| origin) != host
        {
            return refused(format!("a page of {origin} may not ask here: only the listener's own page may"));
        }
        match host {
            Some(host) if self.token.is_none() && !self.is_path && !is_own_name(host) => refused(format!(
                "the host {host} is refused: without --admin-token-file only localhost and loopback addresses are answered"
            )),
            _ => Ok(()),
        }
    }

    /// Whether a request has the token, if there is one.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(token) = &self.token else { return Ok(()) };
        let unauthorized = |what: &str| Err(Failure::new(StatusCode::UNAUTHORIZED, what));
        let Some(given) = headers.get(AUTHORIZATION) else {
            return unauthorized("a token is needed: send the header Authorization: Bearer TOKEN");
        };
        let given = given.as_bytes();
        let bearer = given.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        match bearer {
            Some((_, given)) if is_same(given.trim_ascii(), token.as_bytes()) => Ok(()),
            Some(_) => unauthorized("the token is wrong: it must be that of the server's --admin-token-file"),
            None => unauthorized("the header Authorization must be: Bearer TOKEN"),
        }
    }
}

fn no_token(address: &str) -> String {
    format!(
        "--admin {address}: other machines may reach this address, so it needs a token: add --admin-token-file, or use 127.0.0.1 or a \
         Unix socket"
    )
}

/// Whether only this machine reaches it.
fn is_own(address: &Address) -> bool {
    address.ip().is_none_or(|address| address.ip().is_loopback())
}

/// Whether a Host header names this machine, and not by a name that others may point here.
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Takes the same time wherever the two differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |all, (one, other)| all | (one ^ other));
    hint::black_box(differing) == 0 && one.len() == other.len()
}

/// The token of a file.
pub(crate) fn read_token(file: &Path) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("could not read {}: {error}", file.display()))?;
    let token = text.trim();
    let is_printable = token.bytes().all(|byte| byte.is_ascii_graphic());
    match token.len() {
        LEAST_TOKEN..=MOST_TOKEN if is_printable => Ok(token.to_owned()),
        LEAST_TOKEN..=MOST_TOKEN => Err(format!("the token in {} must be one line of printable ASCII", file.display())),
        length => Err(format!(
            "the token in {} has {length} characters: it must have {LEAST_TOKEN} to {MOST_TOKEN}; make one with: openssl rand -hex 32",
            file.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(token: Option<&str>) -> Access {
        Access { token: token.map(str::to_owned), is_path: false }
    }

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_right_token_is_let_in() {
        let access = access(Some("0123456789abcdef"));
        let with =
            |value| access.check_token(&headers(&[("authorization", value)])).map_err(|failure| failure.status());
        assert_eq!(with("Bearer 0123456789abcdef"), Ok(()));
        assert_eq!(with("bearer  0123456789abcdef "), Ok(()));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdefg",
            "Basic 0123456789abcdef",
            "é",
        ] {
            assert_eq!(with(wrong), Err(StatusCode::UNAUTHORIZED), "{wrong:?}");
        }
        assert!(access.check_token(&HeaderMap::new()).is_err());
    }

    #[test]
    fn pages_of_other_sites_are_refused_by_origin_and_by_host() {
        let (open, guarded) = (access(None), access(Some("0123456789abcdef")));
        let host = |access: &Access, host| access.check_site(&headers(&[("host", host)])).is_ok();
        for own in ["localhost", "localhost:7778", "127.0.0.1:7778", "127.9.9.9", "[::1]:7778", "[::1]"] {
            assert!(host(&open, own), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:7778",
            "localhost.evil.example:1",
            "127.0.0.1.evil.example",
            "10.0.0.1:7778",
            "",
        ] {
            assert!(!host(&open, other), "{other}");
            assert!(host(&guarded, other), "a page of another site has no token");
        }
        let origin = |origin| open.check_site(&headers(&[("host", "localhost:7778"), ("origin", origin)])).is_ok();
        assert!(origin("http://localhost:7778"));
        for other in ["https://evil.example", "http://localhost:80", "null", "localhost:7778"] {
            assert!(!origin(other), "{other}");
        }
        assert!(open.check_site(&HeaderMap::new()).is_ok(), "HTTP/1.0 has no host, and browsers do not speak it");
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        for (address, is_own) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            ("unix:/run/admin.sock", true),
            (":1", false),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.0.2.1:1", false),
            ("localhost.example:1", false),
        ] {
            let found = Access::new(&Listener::new(address), address, None).map(|_| ());
            assert_eq!(found.is_ok(), is_own, "{address}: {found:?}");
        }
        assert!(access(None).check_bound(&["192.0.2.1:1".parse().unwrap()]).is_err());
        assert!(access(Some("x")).check_bound(&["192.0.2.1:1".parse().unwrap()]).is_ok());
    }
}
