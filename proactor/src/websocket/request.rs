//! A server's side of the opening handshake: a request, and what is answered.

use super::config::{MOST_HEADERS, Origins, WebSocket};
use super::deflate::offer;
use super::head::{Head, Headers, TooLong, accept_of, is_key};
use super::upgrade::{Upgrade, UpgradeRequest};
use crate::panic::contained;

/// How far a request has come.
#[derive(Debug)]
pub(crate) enum Requested {
    /// More bytes must come.
    Unfinished,
    /// The answer, after which come frames.
    Accepted(Vec<u8>, Upgrade),
    /// It is for the service beside: the whole head is as it came, and its body may be behind it.
    #[cfg(feature = "http")]
    Beside,
    Refused(Refused),
}

/// A request that is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) why: &'static str,
}

/// The beginning of each request that is served.
const METHOD: &[u8] = b"GET ";
const NO_GET: &str = "only GET is served here";

/// Takes what has come of a request from `piece`. When it is answered, the rest of the piece is
/// behind it.
pub(crate) fn next(head: &mut Head, piece: &mut &[u8], config: &WebSocket) -> Requested {
    let refused = |status, why| Requested::Refused(Refused { status, why });
    let whole = match head.push(piece, config.head_bytes) {
        Ok(whole) => whole,
        Err(TooLong) => return refused(431, "the head of the request is too long"),
    };
    // Other protocols are refused with their first bytes.
    let begin = &head.bytes()[..head.bytes().len().min(METHOD.len())];
    if !METHOD.starts_with(begin) {
        match begin.first() {
            Some(b'A'..=b'Z') if config.has_http() => {}
            Some(b'A'..=b'Z') => return refused(405, NO_GET),
            _ => return refused(400, "this is no HTTP request"),
        }
    }
    if !whole {
        return Requested::Unfinished;
    }
    match answered(head.bytes(), config) {
        Ok(requested) => requested,
        Err(refused) => Requested::Refused(refused),
    }
}

/// The answer to a whole head.
fn answered(head: &[u8], config: &WebSocket) -> Result<Requested, Refused> {
    let refused = |status, why| Err(Refused { status, why });
    let mut memory = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut memory[..config.head_headers.min(MOST_HEADERS)]);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return refused(431, "the request has too many headers"),
        Err(httparse::Error::Version) => return refused(505, "only HTTP/1.1 is spoken here"),
        _ => return refused(400, "the request is malformed"),
    }
    let headers = Headers(request.headers);
    #[cfg(feature = "http")]
    if config.http.is_some() && !is_for_websocket(request.path, headers, config) {
        return Ok(Requested::Beside);
    }
    if request.method != Some("GET") {
        return refused(405, NO_GET);
    }
    let Some(target) = request.path.filter(|target| target.starts_with('/') && !target.contains('#')) else {
        return refused(400, "the target of the request is no path");
    };
    if request.version != Some(1) {
        return refused(505, "only HTTP/1.1 is spoken here");
    }
    let Ok(Some(host)) = headers.only("Host") else { return refused(400, "the request needs one Host") };
    if headers.first("Transfer-Encoding").is_some() || headers.all("Content-Length").any(|bytes| bytes != b"0") {
        return refused(400, "a request to upgrade has no body");
    }
    let asked = UpgradeRequest::new(target, headers);
    if config.path.as_ref().is_some_and(|path| path != asked.path()) {
        return refused(404, "there is nothing here");
    }
    if !headers.lists("Upgrade", "websocket") || !headers.lists("Connection", "upgrade") {
        return refused(426, "WebSocket is spoken here, and the request does not ask for it");
    }
    match headers.only("Sec-WebSocket-Version") {
        Ok(Some(b"13")) => {}
        Ok(Some(_)) => return refused(426, "only version 13 of WebSocket is spoken here"),
        _ => return refused(400, "the request needs one Sec-WebSocket-Version"),
    }
    let key = headers.only("Sec-WebSocket-Key").unwrap_or(None).filter(|key| is_key(key));
    let Some(key) = key else { return refused(400, "the request needs one Sec-WebSocket-Key of 16 bytes") };
    let origin = headers.only("Origin");
    if !origin.is_ok_and(|origin| origin.is_none_or(|origin| is_allowed(origin, host, &config.origins))) {
        return refused(403, "this origin may not connect");
    }
    if let Some(refuse) = &config.refuse_if {
        match contained(|| refuse(&asked)) {
            Ok(None) => {}
            Ok(Some(status @ 300..=599)) => return refused(status, "the server does not accept this request"),
            Ok(Some(_)) | Err(_) => return refused(500, "the server could not decide on this request"),
        }
    }
    let is_offered = |protocol: &&String| asked.protocols().any(|offered| offered == protocol.as_bytes());
    let protocol = config.protocols.iter().find(is_offered).map(String::as_str);
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        accept_of(key)
    );
    if let Some(protocol) = protocol {
        answer.push_str(&format!("Sec-WebSocket-Protocol: {protocol}\r\n"));
    }
    let offers = || headers.all("Sec-WebSocket-Extensions");
    let deflate = config.deflate.as_ref().and_then(|deflate| offer::accept(offers(), deflate));
    let deflate = deflate.map(|(agreed, accepted)| {
        answer.push_str(&format!("Sec-WebSocket-Extensions: {accepted}\r\n"));
        agreed
    });
    answer.push_str("\r\n");
    let kept = config.headers.iter().filter_map(|name| Some((name.as_str(), headers.first(name)?)));
    Ok(Requested::Accepted(answer.into_bytes(), Upgrade::new(target, protocol, kept, deflate)))
}

/// Whether a request is for the WebSocket, and not for the service beside it: it asks for an
/// upgrade to WebSocket, or for the only path that has one.
#[cfg(feature = "http")]
fn is_for_websocket(target: Option<&str>, headers: Headers<'_>, config: &WebSocket) -> bool {
    let path = target.map(|target| target.split_once('?').map_or(target, |(path, _)| path));
    headers.lists("Upgrade", "websocket") || config.path.is_some() && path == config.path.as_deref()
}

/// Whether pages of an origin may connect to a host.
fn is_allowed(origin: &[u8], host: &[u8], origins: &Origins) -> bool {
    match origins {
        Origins::Any => true,
        Origins::Listed(listed) => listed.iter().any(|listed| origin.eq_ignore_ascii_case(listed.as_bytes())),
        Origins::Same => {
            let Ok(origin) = str::from_utf8(origin) else { return false };
            let Some((scheme, of_origin)) = origin.split_once("://") else { return false };
            let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
            let without_port = |host: &'_ [u8]| host.strip_suffix(port.as_bytes()).unwrap_or(host).to_ascii_lowercase();
            without_port(of_origin.as_bytes()) == without_port(host)
        }
    }
}

impl Refused {
    /// What the client is told.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let Refused { status, why } = *self;
        let phrase = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            426 => "Upgrade Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            505 => "HTTP Version Not Supported",
            _ => "Refused",
        };
        let more = match status {
            405 => "Allow: GET\r\n",
            426 => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            _ => "",
        };
        let connection = if status == 426 { "Upgrade, close" } else { "close" };
        let bytes = why.len() + 1;
        format!(
            "HTTP/1.1 {status} {phrase}\r\n{more}Connection: {connection}\r\nContent-Type: text/plain\r\nContent-Length: \
             {bytes}\r\n\r\n{why}\n"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests;
