//! WebSocket (RFC 6455): what of it needs no socket.

#[cfg(test)]
mod cases;
pub(crate) mod client;
pub(crate) mod close;
pub(crate) mod config;
pub(crate) mod decoder;
pub(crate) mod deflate;
pub(crate) mod frame;
pub(crate) mod framing;
pub(crate) mod head;
mod mask;
pub(crate) mod request;
pub(crate) mod upgrade;
mod utf8;

pub use client::WebSocketClient;
pub use close::CloseCode;
pub use config::WebSocket;
pub use deflate::Deflate;
pub use frame::MessageKind;
pub use framing::WebSocketFraming;
pub use upgrade::{Upgrade, UpgradeRequest};
