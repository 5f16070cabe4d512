//! Sessions of every transport in one server: plain lines, length-prefixed packets, WebSocket, TLS,
//! and WebSocket over TLS.

#[allow(dead_code, unused_imports, reason = "these tests need a part of what they share with those of the server")]
#[path = "../server/harness/mod.rs"]
mod harness;

#[allow(dead_code, reason = "these tests need a part of what they share with those of WebSocket")]
#[path = "../websocket/peer.rs"]
mod frames;

#[allow(dead_code, reason = "these tests need a part of what they share with those of TLS")]
#[path = "../tls/peers.rs"]
mod peers;

mod groups;
mod member;
mod over_tls;
mod simulation;
