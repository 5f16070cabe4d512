//! The upgrade of a connection to WebSocket: the last phase before a session is open. It knows no
//! socket.

use std::sync::Arc;

use super::failure::Failure;
use crate::websocket::client::{Answered, WebSocketClient};
use crate::websocket::framing::{Settings, request_key};
use crate::websocket::head::Head;
use crate::websocket::request::{self, Requested};
use crate::websocket::upgrade::Upgrade;

/// What a connection has become.
pub(crate) enum Upgraded {
    WebSocket(Upgrade),
    /// It stays what it is, for the HTTP service beside.
    #[cfg(feature = "http")]
    Not,
}

/// An upgrade that is under way.
pub(crate) struct Upgrading {
    head: Head,
    side: Side,
}

enum Side {
    Server(Arc<Settings>),
    Client {
        client: Box<WebSocketClient>,
        /// What the `Host` is, unless the client says it.
        host: String,
        key: String,
        has_asked: bool,
    },
}

impl Upgrading {
    /// A client's request is waited for.
    pub(crate) fn server(settings: &Arc<Settings>) -> Upgrading {
        Upgrading { head: Head::default(), side: Side::Server(Arc::clone(settings)) }
    }

    /// A server is asked. `connection` is a number of its own for each connection.
    pub(crate) fn client(client: &WebSocketClient, host: String, settings: &Settings, connection: u64) -> Upgrading {
        let key = request_key(settings, connection);
        Upgrading {
            head: Head::default(),
            side: Side::Client { client: Box::new(client.clone()), host, key, has_asked: false },
        }
    }

    /// What is said before anything has come, once.
    pub(crate) fn ask(&mut self) -> Option<Vec<u8>> {
        match &mut self.side {
            Side::Client { client, host, key, has_asked } => {
                (!std::mem::replace(has_asked, true)).then(|| client.request(host, key))
            }
            Side::Server(_) => None,
        }
    }

    /// The head of the request, once it is whole.
    #[cfg(feature = "http")]
    pub(crate) fn head(&self) -> &[u8] {
        self.head.bytes()
    }

    /// Takes what has come from `piece`. When the upgrade is over, the rest of the piece are
    /// frames. The bytes are what has to be answered, also to a request that is refused.
    pub(crate) fn next(&mut self, piece: &mut &[u8]) -> (Vec<u8>, Result<Option<Upgraded>, Failure>) {
        match &mut self.side {
            Side::Server(settings) => match request::next(&mut self.head, piece, &settings.websocket) {
                Requested::Unfinished => (Vec::new(), Ok(None)),
                Requested::Accepted(answer, upgrade) => (answer, Ok(Some(Upgraded::WebSocket(upgrade)))),
                #[cfg(feature = "http")]
                Requested::Beside => (Vec::new(), Ok(Some(Upgraded::Not))),
                Requested::Refused(refused) => {
                    (refused.answer(), Err(Failure::upgrade(Some(refused.status), refused.why)))
                }
            },
            Side::Client { client, key, .. } => {
                let answered = match client.next(&mut self.head, piece, key) {
                    Answered::Unfinished => Ok(None),
                    Answered::Accepted(upgrade) => Ok(Some(Upgraded::WebSocket(upgrade))),
                    Answered::Refused(status) => {
                        Err(Failure::upgrade(Some(status), format!("the server answered with status {status}")))
                    }
                    Answered::Broken(why) => {
                        Err(Failure::upgrade(None, format!("the server's answer cannot be used: {why}")))
                    }
                };
                (Vec::new(), answered)
            }
        }
    }
}
