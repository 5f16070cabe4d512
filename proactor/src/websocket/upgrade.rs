//! What an upgrade says: while it is decided on, and for the logic of its session.

use std::fmt;
use std::sync::Arc;

use super::deflate::Agreed;
use super::head::Headers;

/// What the opening handshake of a WebSocket session has said. Cheap to clone.
/// [`Session::upgrade`](crate::Session::upgrade) gives it.
#[derive(Clone)]
pub struct Upgrade(Arc<Facts>);

impl PartialEq for Upgrade {
    fn eq(&self, other: &Upgrade) -> bool {
        let key = |it: &Upgrade| (it.0.path, it.0.target, it.0.protocol, it.is_compressed());
        key(self) == key(other) && self.0.text == other.0.text && self.0.headers == other.0.headers
    }
}

impl Eq for Upgrade {}

/// One text for all, since a session keeps it for as long as it lasts.
struct Facts {
    /// The target, the subprotocol, then names and values of headers.
    text: Box<str>,
    /// The bytes of the path, of the whole target, and of the subprotocol behind it.
    path: u32,
    target: u32,
    protocol: Option<u16>,
    /// Where the name and the value of each header end.
    headers: Box<[(u32, u32)]>,
    deflate: Option<Box<Agreed>>,
}

impl Upgrade {
    /// `target` is a path and perhaps a query; a head is at most 1 MiB.
    pub(super) fn new<'h>(
        target: &str,
        protocol: Option<&str>,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        deflate: Option<Agreed>,
    ) -> Upgrade {
        let mut text = format!("{target}{}", protocol.unwrap_or_default());
        let mut ends = Vec::new();
        for (name, value) in headers {
            text.push_str(name);
            let name_end = text.len() as u32;
            text.push_str(&String::from_utf8_lossy(value));
            ends.push((name_end, text.len() as u32));
        }
        Upgrade(Arc::new(Facts {
            path: target.find('?').unwrap_or(target.len()) as u32,
            target: target.len() as u32,
            protocol: protocol.map(|protocol| protocol.len() as u16),
            text: text.into(),
            headers: ends.into(),
            deflate: deflate.map(Box::new),
        }))
    }

    fn target_bytes(&self) -> usize {
        self.0.target as usize
    }

    /// The path of the request, as `/ws`. Escapes such as `%20` are left as they are.
    pub fn path(&self) -> &str {
        &self.0.text[..self.0.path as usize]
    }

    /// What is behind the `?` of the request, or `None`.
    pub fn query(&self) -> Option<&str> {
        self.0.text[..self.target_bytes()].get(self.0.path as usize + 1..)
    }

    /// The subprotocol that was chosen.
    pub fn protocol(&self) -> Option<&str> {
        let bytes = usize::from(self.0.protocol?);
        Some(&self.0.text[self.target_bytes()..][..bytes])
    }

    /// Whether messages may be compressed: both ends agreed on
    /// [`Deflate`](super::Deflate).
    pub fn is_compressed(&self) -> bool {
        self.0.deflate.is_some()
    }

    pub(crate) fn deflate(&self) -> Option<&Agreed> {
        self.0.deflate.as_deref()
    }

    /// The value of a header of the request, if it is one of those that the listener was
    /// [told to keep](super::WebSocket::headers). If it came more than once, the first value. Bytes
    /// that are not UTF-8 are replaced.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut begin = self.target_bytes() + usize::from(self.0.protocol.unwrap_or(0));
        for (name_end, end) in &self.0.headers {
            let (name_end, end) = (*name_end as usize, *end as usize);
            if self.0.text[begin..name_end].eq_ignore_ascii_case(name) {
                return Some(&self.0.text[name_end..end]);
            }
            begin = end;
        }
        None
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Upgrade");
        debug.field("path", &self.path()).field("query", &self.query()).field("protocol", &self.protocol());
        debug.finish_non_exhaustive()
    }
}

/// A client's request to upgrade, while it is decided on:
/// [`WebSocket::refuse_if`](super::WebSocket::refuse_if).
#[derive(Clone, Copy, Debug)]
pub struct UpgradeRequest<'r> {
    target: &'r str,
    headers: Headers<'r>,
}

impl<'r> UpgradeRequest<'r> {
    pub(super) fn new(target: &'r str, headers: Headers<'r>) -> UpgradeRequest<'r> {
        UpgradeRequest { target, headers }
    }

    /// The path, as `/ws`. Escapes such as `%20` are left as they are.
    pub fn path(&self) -> &'r str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// What is behind the `?`, or `None`.
    pub fn query(&self) -> Option<&'r str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The first value of a header, as it came, without spaces around it.
    pub fn header(&self, name: &str) -> Option<&'r [u8]> {
        self.headers.first(name)
    }

    /// All headers, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&'r str, &'r [u8])> {
        self.headers.0.iter().map(|header| (header.name, header.value))
    }

    /// The subprotocols that the client offers, the best first.
    pub fn protocols(&self) -> impl Iterator<Item = &'r [u8]> {
        self.headers.entries("Sec-WebSocket-Protocol")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_told() {
        let headers = [("Cookie", &b"a=b"[..]), ("User-Agent", b"curl\xff")];
        let upgrade = Upgrade::new("/ws?room=1&x", Some("chat"), headers, None);
        assert_eq!((upgrade.path(), upgrade.query(), upgrade.protocol()), ("/ws", Some("room=1&x"), Some("chat")));
        assert_eq!((upgrade.header("cookie"), upgrade.header("USER-AGENT")), (Some("a=b"), Some("curl\u{fffd}")));
        assert_eq!(upgrade.header("Host"), None);
        let bare = Upgrade::new("/", None, [], None);
        assert_eq!((bare.path(), bare.query(), bare.protocol(), bare.header("")), ("/", None, None, None));
        assert_eq!(Upgrade::new("/?", None, [], None).query(), Some(""));
    }
}
