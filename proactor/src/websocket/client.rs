//! A client's side of the opening handshake: its settings, its request, and the server's answer.

use std::time::Duration;

use super::config::{MOST_HEADERS, WebSocket};
use super::deflate::{Deflate, offer};
use super::frame::Role;
use super::framing::Settings;
use super::head::{Head, Headers, TooLong, accept_of, is_token};
use super::upgrade::Upgrade;

/// WebSocket as the transport of connections that the server makes:
/// [`Target::websocket`](crate::Target::websocket). The session begins when the other server has
/// accepted the upgrade; if it does not, the connect has failed, and the error says why.
///
/// ```
/// use proactor::{Target, WebSocketClient};
///
/// let feed =
/// WebSocketClient::new("/feed?symbols=all").protocols(["ticks.v1"]).header("Authorization",
/// "Bearer x"); let target = "example.org:80".parse::<Target>().unwrap().websocket(&feed);
/// # let _ = target;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketClient {
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    /// The settings that both sides have.
    pub(super) common: WebSocket,
}

/// Headers that are the handshake's own.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "upgrade",
    "connection",
    "content-length",
    "transfer-encoding",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
];

impl WebSocketClient {
    /// Asks for a path, and perhaps a query, as `/ws?room=1`. The `Host` is the name or address
    /// that is connected to.
    pub fn new(target: impl Into<String>) -> WebSocketClient {
        WebSocketClient { target: target.into(), host: None, headers: Vec::new(), common: WebSocket::new() }
    }

    /// The `Host` to ask for, with its port if that is not the usual one.
    pub fn host(mut self, host: impl Into<String>) -> WebSocketClient {
        self.host = Some(host.into());
        self
    }

    /// The subprotocols to offer, the best first. The server may choose one of them:
    /// [`Upgrade::protocol`]. At most 64.
    pub fn protocols<P: Into<String>>(mut self, protocols: impl IntoIterator<Item = P>) -> WebSocketClient {
        self.common = self.common.protocols(protocols);
        self
    }

    /// A header of the request, as `Origin` or `Authorization`; call it again for more. Those of
    /// the handshake itself cannot be set.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> WebSocketClient {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends packets as text, as [`WebSocket::text`] does.
    pub fn text(mut self) -> WebSocketClient {
        self.common = self.common.text();
        self
    }

    /// The most bytes of a message, as [`WebSocket::max_message`].
    pub fn max_message(mut self, bytes: usize) -> WebSocketClient {
        self.common = self.common.max_message(bytes);
        self
    }

    /// Sends longer messages in fragments, as [`WebSocket::max_frame`].
    pub fn max_frame(mut self, bytes: usize) -> WebSocketClient {
        self.common = self.common.max_frame(bytes);
        self
    }

    /// Offers to compress messages (`permessage-deflate`). The server may decline:
    /// [`Upgrade::is_compressed`].
    pub fn deflate(mut self, deflate: &Deflate) -> WebSocketClient {
        self.common = self.common.deflate(deflate);
        self
    }

    /// How long the server may take to accept the upgrade, as [`WebSocket::max_upgrade_time`].
    pub fn max_upgrade_time(mut self, time: Duration) -> WebSocketClient {
        self.common = self.common.max_upgrade_time(time);
        self
    }

    /// The settings of a session.
    pub(crate) fn settings(&self, is_simulated: bool) -> Settings {
        Settings::new(self.common.clone(), Role::Client, is_simulated)
    }

    /// Checks the settings. The server asks when it starts.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_text = |text: &str| text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
        if !self.target.starts_with('/') || self.target.contains([' ', '#']) || !is_text(&self.target) {
            return Err(format!("the WebSocket target {:?}: must be a path, and perhaps a query, as /ws", self.target));
        }
        if let Some(host) = self.host.as_ref().filter(|host| host.is_empty() || !is_text(host)) {
            return Err(format!("the WebSocket host {host:?}: must be a name or an address, as example.org:8080"));
        }
        let is_good = |(name, value): &&(String, String)| {
            let is_own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
            is_token(name) && !is_own && !name.eq_ignore_ascii_case("sec-websocket-protocol") && is_text(value)
        };
        if let Some((name, _)) = self.headers.iter().find(|header| !is_good(header)) {
            return Err(format!(
                "the WebSocket header {name:?}: must be a name of your own, and its value printable characters"
            ));
        }
        self.common.check()
    }

    /// The request. `host` is what is connected to.
    pub(crate) fn request(&self, host: &str, key: &str) -> Vec<u8> {
        let host = self.host.as_deref().unwrap_or(host);
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \
             {key}\r\nSec-WebSocket-Version: 13\r\n",
            self.target
        );
        if !self.common.protocols.is_empty() {
            request.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", self.common.protocols.join(", ")));
        }
        if let Some(deflate) = &self.common.deflate {
            request.push_str(&format!("Sec-WebSocket-Extensions: {}\r\n", offer::offer(deflate)));
        }
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.into_bytes()
    }

    /// Takes what has come of the answer from `piece`. When it is whole, the rest of the piece are
    /// frames.
    pub(crate) fn next(&self, head: &mut Head, piece: &mut &[u8], key: &str) -> Answered {
        match head.push(piece, self.common.head_bytes) {
            Ok(false) if !b"HTTP/1.1 ".starts_with(&head.bytes()[..head.bytes().len().min(9)]) => {
                Answered::Broken("it is no answer of HTTP/1.1")
            }
            Ok(false) => Answered::Unfinished,
            Ok(true) => self.answered(head.bytes(), key),
            Err(TooLong) => Answered::Broken("its head is too long"),
        }
    }

    fn answered(&self, head: &[u8], key: &str) -> Answered {
        let mut memory = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut memory[..self.common.head_headers.min(MOST_HEADERS)]);
        if !matches!(response.parse(head), Ok(httparse::Status::Complete(_))) || response.version != Some(1) {
            return Answered::Broken("it is malformed");
        }
        let (status, headers) = (response.code.unwrap_or_default(), Headers(response.headers));
        if status != 101 {
            return Answered::Refused(status);
        }
        if !headers.lists("Upgrade", "websocket") || !headers.lists("Connection", "upgrade") {
            return Answered::Broken("it upgrades to something else");
        }
        if headers.only("Sec-WebSocket-Accept") != Ok(Some(accept_of(key.as_bytes()).as_bytes())) {
            return Answered::Broken("its Sec-WebSocket-Accept does not belong to the request");
        }
        let mut deflate = None;
        if headers.first("Sec-WebSocket-Extensions").is_some() {
            let Some(offered) = &self.common.deflate else {
                return Answered::Broken("it uses an extension that was not offered");
            };
            deflate = offer::answered(headers.all("Sec-WebSocket-Extensions"), offered);
            if deflate.is_none() {
                return Answered::Broken("its extension does not fit what was offered");
            }
        }
        let Ok(chosen) = headers.only("Sec-WebSocket-Protocol") else {
            return Answered::Broken("it chooses several subprotocols");
        };
        let is_chosen = |offered: &&String| chosen == Some(offered.as_bytes());
        let protocol = self.common.protocols.iter().find(is_chosen);
        if chosen.is_some() != protocol.is_some() {
            return Answered::Broken("it chooses a subprotocol that was not offered");
        }
        Answered::Accepted(Upgrade::new(&self.target, protocol.map(String::as_str), [], deflate))
    }
}

/// How far the answer to a request has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// More bytes must come.
    Unfinished,
    Accepted(Upgrade),
    /// With this status.
    Refused(u16),
    /// It is no answer in order.
    Broken(&'static str),
}

#[cfg(test)]
mod tests {
    use super::super::request::{self, Requested};
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    /// What a client makes of an answer in pieces, and what is left.
    fn answered(client: &WebSocketClient, bytes: &[u8], piece: usize) -> (Answered, Vec<u8>) {
        let (mut head, mut answer, mut rest) = (Head::default(), Answered::Unfinished, Vec::new());
        for mut piece in bytes.chunks(piece) {
            if answer == Answered::Unfinished {
                answer = client.next(&mut head, &mut piece, KEY);
            }
            rest.extend_from_slice(piece);
        }
        (answer, rest)
    }

    #[test]
    fn our_server_accepts_our_client_and_it_accepts_the_answer() {
        let client = WebSocketClient::new("/ws?a=b").protocols(["v1", "v2"]).header("Cookie", "c=d");
        client.check().unwrap();
        let asked = client.request("example.org", KEY);
        let server = WebSocket::new().path("/ws").protocols(["v2"]).headers(["cookie"]);
        let (mut head, mut piece) = (Head::default(), &asked[..]);
        let Requested::Accepted(answer, upgrade) = request::next(&mut head, &mut piece, &server) else {
            panic!("it is accepted")
        };
        assert_eq!((upgrade.query(), upgrade.header("Cookie")), (Some("a=b"), Some("c=d")));
        let all = [&answer[..], b"\x81\x00"].concat();
        for piece in 1..=all.len() {
            let (answer, rest) = answered(&client, &all, piece);
            let Answered::Accepted(upgrade) = answer else { panic!("{answer:?}") };
            assert_eq!((upgrade.path(), upgrade.protocol(), &rest[..]), ("/ws", Some("v2"), &b"\x81\x00"[..]));
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_the_request_is_refused() {
        let client = WebSocketClient::new("/").protocols(["v1"]);
        let answer = |line: &str, more: &str| {
            format!("HTTP/1.1 {line}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{more}\r\n")
        };
        let good = format!("Sec-WebSocket-Accept: {ACCEPT}\r\n");
        let cases = [
            (answer("101 Switching Protocols", &good), "accepted"),
            (answer("101", &good), "accepted"),
            (answer("404 Not Found", ""), "404"),
            (answer("301 Moved", "Location: /\r\n"), "301"),
            (answer("101 S", ""), "does not belong"),
            (answer("101 S", &format!("{good}{good}")), "does not belong"),
            (answer("101 S", &good.replace('s', "S")), "does not belong"),
            (answer("101 S", &format!("{good}Sec-WebSocket-Extensions: permessage-deflate\r\n")), "an extension"),
            (answer("101 S", &format!("{good}Sec-WebSocket-Protocol: v2\r\n")), "that was not offered"),
            (answer("101 S", &format!("{good}Sec-WebSocket-Protocol: v1\r\n")), "accepted"),
            (answer("101 S", &good).replace("Upgrade: websocket", "Upgrade: h2c"), "something else"),
            (answer("101 S", &good).replace("HTTP/1.1", "HTTP/1.0"), "no answer of HTTP/1.1"),
            ("SSH-2.0-OpenSSH_9\r\n".into(), "no answer of HTTP/1.1"),
            (format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(9000)), "too long"),
            (answer("101 S", "Bad Header\r\n"), "malformed"),
        ];
        for (bytes, expected) in cases {
            for piece in [1, 5, bytes.len()] {
                let (answer, _) = answered(&client, bytes.as_bytes(), piece);
                let what = match answer {
                    Answered::Unfinished => "unfinished".to_owned(),
                    Answered::Accepted(_) => "accepted".to_owned(),
                    Answered::Refused(status) => status.to_string(),
                    // The whole answer of an older version is malformed at once.
                    Answered::Broken("it is malformed") if expected.contains("HTTP/1.1") => expected.to_owned(),
                    Answered::Broken(why) => why.to_owned(),
                };
                assert!(what.contains(expected), "{what} instead of {expected}: {bytes}");
            }
        }
    }

    #[test]
    fn settings_that_make_no_request_are_named() {
        let fault = |client: WebSocketClient| client.check().unwrap_err();
        assert!(fault(WebSocketClient::new("ws")).contains("must be a path"));
        assert!(fault(WebSocketClient::new("/a b")).contains("must be a path"));
        assert!(fault(WebSocketClient::new("/\r\nX: y")).contains("must be a path"));
        assert!(fault(WebSocketClient::new("/").host("a\r\nb")).contains("host"));
        for name in ["Host", "Sec-WebSocket-Key", "sec-websocket-protocol", "a b", ""] {
            assert!(fault(WebSocketClient::new("/").header(name, "x")).contains("header"), "{name}");
        }
        assert!(fault(WebSocketClient::new("/").header("X", "a\r\nb: c")).contains("\"X\""));
        assert!(fault(WebSocketClient::new("/").max_message(0)).contains("longest message"));
    }
}
