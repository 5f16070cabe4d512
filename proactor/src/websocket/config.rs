//! The settings of a listener's WebSocket.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::deflate::Deflate;
use super::frame::MessageKind;
use super::head::is_token;
use super::upgrade::UpgradeRequest;
use crate::codec::MOST_FRAME_BYTES;
#[cfg(feature = "http")]
use crate::http::{Http, Limits};

/// The longest message, unless the settings say otherwise.
const USUAL_MOST: usize = 64 * 1024;
/// The longest head of a request, and the most headers in it.
const USUAL_HEAD_BYTES: usize = 8 * 1024;
const USUAL_HEADERS: usize = 64;
/// What these may be at most.
const MOST_HEAD_BYTES: usize = 1 << 20;
pub(crate) const MOST_HEADERS: usize = 256;
const MOST_NAMES: usize = 64;
const USUAL_UPGRADE_TIME: Duration = Duration::from_secs(10);

/// WebSocket (RFC 6455) as the transport of a listener: [`Listener::websocket`]. Its sessions begin
/// when the peer's upgrade is accepted. A message is a packet, and the codec is not used.
///
/// Pings are answered, and the server's [heartbeats](crate::Timeouts::heartbeat) are pings. The
/// peer's close frame is the end of its stream ([`Handler::ended`](crate::Handler::ended)); the end
/// of ours, and every graceful close, is a close frame with a [code](super::CloseCode).
///
/// A request is refused with a status: 404 for another path, 403 for an origin that is not allowed,
/// 426 if it is no upgrade to WebSocket 13, 405 if it is no `GET`, 431 over the limits of its head,
/// 400 if it is malformed or has a body. What comes behind the request are frames, and nothing
/// else.
///
/// `docs/transports.md` in the repository says more.
///
/// ```
/// use proactor::{Listener, WebSocket};
///
/// let websocket = WebSocket::new()
///     .path("/ws")
///     .origins(["https://example.org"])
///     .protocols(["chat.v2", "chat.v1"])
///     .headers(["cookie"])
///     .refuse_if(|request| if request.query() == Some("banned") { Some(403) } else { None });
/// let listener = Listener::new("127.0.0.1:0").websocket(websocket);
/// # let _ = listener;
/// ```
///
/// [`Listener::websocket`]: crate::Listener::websocket
#[derive(Clone)]
pub struct WebSocket {
    pub(super) path: Option<String>,
    pub(super) origins: Origins,
    pub(super) protocols: Vec<String>,
    pub(super) headers: Vec<String>,
    pub(super) refuse_if: Option<Arc<RefuseIf>>,
    pub(super) kind: MessageKind,
    pub(super) max_message: usize,
    pub(super) max_frame: usize,
    pub(super) deflate: Option<Deflate>,
    pub(super) head_bytes: usize,
    pub(super) head_headers: usize,
    upgrade_time: Duration,
    /// Serves requests that are not for the WebSocket.
    #[cfg(feature = "http")]
    pub(super) http: Option<Http>,
}

type RefuseIf = dyn Fn(&UpgradeRequest<'_>) -> Option<u16> + Send + Sync;

/// From which origins a browser may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origins {
    /// From pages of the host that is connected to.
    Same,
    Listed(Vec<String>),
    Any,
}

impl WebSocket {
    /// Any path, the same origin, no subprotocol, messages of at most 64 KiB.
    pub fn new() -> WebSocket {
        WebSocket {
            path: None,
            origins: Origins::Same,
            protocols: Vec::new(),
            headers: Vec::new(),
            refuse_if: None,
            kind: MessageKind::default(),
            max_message: USUAL_MOST,
            max_frame: usize::MAX,
            deflate: None,
            head_bytes: USUAL_HEAD_BYTES,
            head_headers: USUAL_HEADERS,
            upgrade_time: USUAL_UPGRADE_TIME,
            #[cfg(feature = "http")]
            http: None,
        }
    }

    /// The only path that is served, without a query. By default every path is, and
    /// [`Session::upgrade`](crate::Session::upgrade) tells which it was.
    pub fn path(mut self, path: impl Into<String>) -> WebSocket {
        self.path = Some(path.into());
        self
    }

    /// The origins whose pages may connect, as `https://example.org` or `http://localhost:8080`. By
    /// default only pages of the same host and port may. A request without an `Origin` is always
    /// accepted: browsers send one, and other clients can send any.
    pub fn origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> WebSocket {
        self.origins = Origins::Listed(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Pages of every origin may connect. Any web site can then act in the name of its visitors, if
    /// the server trusts their cookies or their network.
    pub fn any_origin(mut self) -> WebSocket {
        self.origins = Origins::Any;
        self
    }

    /// The subprotocols that are spoken, the best first: the first that the client offers is
    /// chosen. A client that offers none of them is accepted without one;
    /// [`refuse_if`](WebSocket::refuse_if) can do otherwise. At most 64.
    pub fn protocols<P: Into<String>>(mut self, protocols: impl IntoIterator<Item = P>) -> WebSocket {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The headers of the request that are kept for the logic:
    /// [`Upgrade::header`](super::Upgrade::header). None by default. At most 64.
    pub fn headers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> WebSocket {
        self.headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses a request with the status that a function returns, 300 to 599; `None` accepts it.
    /// It is called for each request that is in order, on the thread of its shard, so it must not
    /// block. If it panics, or returns another status, the answer is 500.
    pub fn refuse_if(
        mut self,
        refuse: impl Fn(&UpgradeRequest<'_>) -> Option<u16> + Send + Sync + 'static,
    ) -> WebSocket {
        self.refuse_if = Some(Arc::new(refuse));
        self
    }

    /// Sends packets as text; one that is not UTF-8 is sent as binary. By default all are binary.
    /// It holds for [`Session::send`](crate::Session::send) and for broadcasts of groups;
    /// [`Session::send_as`](crate::Session::send_as) says it for one packet.
    pub fn text(mut self) -> WebSocket {
        self.kind = MessageKind::Text;
        self
    }

    /// The most bytes of a message, both ways: 64 KiB by default, 1 to 1 GiB. A longer one closes
    /// the session with [`FrameTooLarge`](crate::CloseReason::FrameTooLarge) as soon as a header
    /// says so. Each fragment counts as one byte at least.
    pub fn max_message(mut self, bytes: usize) -> WebSocket {
        self.max_message = bytes;
        self
    }

    /// Sends longer messages in fragments of so many bytes, at least 1. By default a message is one
    /// frame.
    pub fn max_frame(mut self, bytes: usize) -> WebSocket {
        self.max_frame = bytes;
        self
    }

    /// Compresses messages for clients that offer it (`permessage-deflate`). Off by default.
    pub fn deflate(mut self, deflate: &Deflate) -> WebSocket {
        self.deflate = Some(deflate.clone());
        self
    }

    /// The most bytes of a request's head, and the most headers in it: 8 KiB and 64 by default; up
    /// to 1 MiB and 256.
    pub fn max_head(mut self, bytes: usize, headers: usize) -> WebSocket {
        (self.head_bytes, self.head_headers) = (bytes, headers);
        self
    }

    /// How long a connection may take until its upgrade is accepted, after its TLS handshake if it
    /// has one: 10 s by default, more than 0. A session that takes longer is closed with
    /// [`UpgradeFailed`](crate::CloseReason::UpgradeFailed).
    pub fn max_upgrade_time(mut self, time: Duration) -> WebSocket {
        self.upgrade_time = time;
        self
    }

    /// Gives plain HTTP requests to a service of hyper, so that one port serves a page and its
    /// WebSocket, over TLS too. Without it they are refused.
    ///
    /// A request that asks for an upgrade to WebSocket, or for [`path`](WebSocket::path), is
    /// answered as without a service. Every other request of its connection is given to the
    /// service, over HTTP/1.1 or 1.0, one after the other. The logic does not hear of such a
    /// connection, and [lists](crate::Handle::list_sessions) do not have it. An upgrade must be the
    /// first request of its connection, as browsers make it: a later one is answered with 421.
    ///
    /// The service is called on the thread of the connection's shard, so it must not block; its
    /// futures need not be `Send`. If it panics or fails, the connection is closed. The extensions
    /// of a request have the peer's [`Address`](crate::Address).
    ///
    /// A connection is a session, and has a session's limits, timeouts and drain: a request that is
    /// being answered is work. [`max_head`](WebSocket::max_head) limits the head of each request. A
    /// connection that has taken its answer is closed if the next whole head does not come within
    /// [`max_upgrade_time`](WebSocket::max_upgrade_time). How long a body may be, and take, is the
    /// service's to limit.
    ///
    /// Feature `http`.
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use http_body_util::Full;
    /// use hyper::body::{Bytes, Incoming};
    /// use hyper::{Request, Response, service::service_fn};
    /// use proactor::{Listener, WebSocket};
    ///
    /// async fn page(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    ///     let found = request.uri().path() == "/";
    ///     let mut response = Response::new(Full::from(if found { "a page" } else { "nothing" }));
    ///     *response.status_mut() = if found { 200 } else { 404 }.try_into().unwrap();
    ///     Ok(response)
    /// }
    ///
    /// let websocket = WebSocket::new().path("/ws").http(service_fn(page));
    /// let listener = Listener::new("127.0.0.1:8080").websocket(websocket);
    /// # let _ = listener;
    /// ```
    #[cfg(feature = "http")]
    pub fn http<S, B>(mut self, service: S) -> WebSocket
    where
        S: hyper::service::Service<hyper::Request<hyper::body::Incoming>, Response = hyper::Response<B>>
            + Send
            + Sync
            + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: hyper::body::Body + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.http = Some(Http::new(service));
        self
    }

    /// Whether a service has the requests that are not for the WebSocket.
    pub(super) fn has_http(&self) -> bool {
        #[cfg(feature = "http")]
        return self.http.is_some();
        #[cfg(not(feature = "http"))]
        false
    }

    /// The service beside, with what it must keep to.
    #[cfg(feature = "http")]
    pub(crate) fn service(&self) -> Option<(Http, Limits)> {
        let limits = Limits {
            path: self.path.clone(),
            head_bytes: self.head_bytes,
            head_headers: self.head_headers,
            head_time: self.upgrade_time,
        };
        Some((self.http.clone()?, limits))
    }

    pub(crate) fn most_message(&self) -> usize {
        self.max_message
    }

    /// Whether messages may be compressed.
    pub(crate) fn may_compress(&self) -> bool {
        self.deflate.is_some()
    }

    pub(crate) fn upgrade_timeout(&self) -> Duration {
        self.upgrade_time
    }

    /// Checks the settings. The server asks when it starts.
    pub(crate) fn check(&self) -> Result<(), String> {
        let range = |what: &str, value: usize, most: usize| match value {
            value if (1..=most).contains(&value) => Ok(()),
            value => Err(format!("a WebSocket with {what} of {value}: must be 1 to {most}")),
        };
        range("a longest message", self.max_message, MOST_FRAME_BYTES)?;
        range("a longest frame", self.max_frame, usize::MAX)?;
        range("a longest head", self.head_bytes, MOST_HEAD_BYTES)?;
        range("a number of headers", self.head_headers, MOST_HEADERS)?;
        self.deflate.as_ref().map_or(Ok(()), Deflate::check)?;
        if self.upgrade_time.is_zero() {
            return Err("a WebSocket whose upgrade may take no time: must be more than 0".into());
        }
        if let Some(path) = &self.path
            && (!path.starts_with('/') || path.contains(|c: char| c == '?' || c == '#' || c <= ' ' || !c.is_ascii()))
        {
            return Err(format!("the WebSocket path {path:?}: must begin with / and have no query, as /ws"));
        }
        if let Origins::Listed(origins) = &self.origins
            && let Some(origin) = origins.iter().find(|origin| !is_origin(origin))
        {
            return Err(format!("the origin {origin:?}: must be a scheme, a host and a port, as https://example.org"));
        }
        for (what, names) in [("subprotocol", &self.protocols), ("header", &self.headers)] {
            if let Some(name) = names.iter().find(|name| !is_token(name)) {
                return Err(format!("the {what} {name:?}: must be letters, digits and punctuation without spaces"));
            }
            if names.len() > MOST_NAMES {
                return Err(format!("{} {what}s of a WebSocket: must be at most {MOST_NAMES}", names.len()));
            }
        }
        Ok(())
    }
}

fn is_origin(origin: &str) -> bool {
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    origin == "null" || !host.is_empty() && !host.contains(['/', ' ', ','])
}

impl PartialEq for WebSocket {
    fn eq(&self, other: &WebSocket) -> bool {
        let all = |it: &WebSocket| {
            let WebSocket { kind, max_message, max_frame, head_bytes, head_headers, upgrade_time, .. } = *it;
            (kind, max_message, max_frame, head_bytes, head_headers, upgrade_time)
        };
        let refuses_same = match (&self.refuse_if, &other.refuse_if) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let lists = |it: &WebSocket| (it.path.clone(), it.protocols.clone(), it.headers.clone());
        let refuses_same = refuses_same && self.deflate == other.deflate;
        #[cfg(feature = "http")]
        let refuses_same = refuses_same && self.http == other.http;
        refuses_same && all(self) == all(other) && self.origins == other.origins && lists(self) == lists(other)
    }
}

impl Eq for WebSocket {}

impl Default for WebSocket {
    fn default() -> WebSocket {
        WebSocket::new()
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("path", &self.path)
            .field("origins", &self.origins)
            .field("protocols", &self.protocols)
            .field("max_message", &self.max_message)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let fault = |websocket: WebSocket| websocket.check().unwrap_err();
        assert!(fault(WebSocket::new().path("ws")).contains("\"ws\": must begin with /"));
        assert!(fault(WebSocket::new().path("/ws?a")).contains("no query"));
        assert!(fault(WebSocket::new().origins(["example.org"])).contains("as https://example.org"));
        assert!(fault(WebSocket::new().origins(["https://example.org/"])).contains("must be a scheme"));
        assert!(fault(WebSocket::new().protocols(["a b"])).contains("subprotocol \"a b\""));
        assert!(fault(WebSocket::new().headers([""])).contains("header \"\""));
        assert!(fault(WebSocket::new().max_message(0)).contains("a longest message of 0"));
        assert!(fault(WebSocket::new().max_message(usize::MAX)).contains("must be 1 to 1073741824"));
        assert!(fault(WebSocket::new().max_frame(0)).contains("a longest frame of 0"));
        assert!(fault(WebSocket::new().max_head(0, 1)).contains("a longest head of 0"));
        assert!(fault(WebSocket::new().max_head(1, 257)).contains("a number of headers of 257"));
        let many: Vec<String> = (0..65).map(|index| format!("p{index}")).collect();
        assert!(fault(WebSocket::new().protocols(many)).contains("65 subprotocols"));
        let good = WebSocket::new().path("/ws").origins(["https://example.org", "null", "http://[::1]:8080"]);
        good.protocols(["chat.v1"]).headers(["Cookie"]).check().unwrap();
    }
}
