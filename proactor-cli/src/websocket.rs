//! WebSocket of the commands that handle packets.

use clap::Args;
use proactor::{Deflate, WebSocket};

use crate::codec::CodecChoice;

pub(crate) const WEBSOCKET: &str = "WebSocket";

/// The limits of a message are those of this codec's packets.
pub(crate) const LIMITS: CodecChoice = CodecChoice::Length;
/// What that codec adds to a packet: as much as a message has of header, up to 64 KiB.
pub(crate) const HEADER: usize = 4;

#[derive(Args)]
pub(crate) struct WebSocketOptions {
    /// Speak WebSocket on every address, over TLS with --tls-cert, and serve this path, such as /ws
    /// [default: every path]. A message is a packet, in place of those of --codec, and --heartbeat
    /// is a ping. A browser's page may connect if it is of the same host and port.
    #[arg(
        long = "websocket",
        value_name = "PATH",
        num_args = 0..=1,
        default_missing_value = "",
        value_parser = path,
        help_heading = WEBSOCKET
    )]
    path: Option<String>,
    /// Let pages of this origin connect, such as https://example.org; repeat the option for more.
    /// Pages of other origins, also of the same host, are refused then.
    #[arg(long = "websocket-origin", value_name = "ORIGIN", value_parser = origin, help_heading = WEBSOCKET)]
    origins: Vec<String>,
    /// Compress messages of at least 128 bytes for clients that offer it (permessage-deflate), each
    /// for itself. Not where one message has a secret and what others wrote: its length tells.
    #[arg(long = "websocket-deflate", requires = "path", help_heading = WEBSOCKET)]
    deflate: bool,
}

fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if text.is_empty() || is_path { Ok(text.to_owned()) } else { Err("write it as a path without a query: /ws".into()) }
}

fn origin(text: &str) -> Result<String, String> {
    let host = text.split_once("://").map_or("", |(_, host)| host);
    let is_origin = text == "null" || !host.is_empty() && !host.contains(['/', ' ', ',']);
    if is_origin { Ok(text.to_owned()) } else { Err("write it as a scheme and a host: https://example.org".into()) }
}

impl WebSocketOptions {
    /// Adds the origins that may connect.
    pub(crate) fn allow(&self, websocket: WebSocket) -> WebSocket {
        if self.origins.is_empty() { websocket } else { websocket.origins(&self.origins) }
    }

    pub(crate) fn has_origins(&self) -> bool {
        !self.origins.is_empty()
    }

    pub(crate) fn is_on(&self) -> bool {
        self.path.is_some()
    }

    /// The settings of the listeners, if they speak WebSocket, with messages of at most so many
    /// bytes.
    pub(crate) fn settings(&self, max_message: usize) -> Option<WebSocket> {
        let path = self.path.as_ref()?;
        let mut websocket = WebSocket::new().text().max_message(max_message);
        if !path.is_empty() {
            websocket = websocket.path(path);
        }
        if self.deflate {
            websocket = websocket.deflate(&Deflate::new());
        }
        Some(self.allow(websocket))
    }
}
