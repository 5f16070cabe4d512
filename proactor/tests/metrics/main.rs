//! What a server counts: it agrees with what its clients have counted, on every backend of this
//! system and on simulated networks.

#[allow(dead_code, unused_imports, reason = "these tests need a part of what they share with those of the server")]
#[path = "../server/harness/mod.rs"]
mod harness;
#[allow(dead_code, reason = "these tests need a part of what they share with those of WebSockets")]
#[path = "../websocket/peer.rs"]
mod peer;
#[allow(dead_code, reason = "these tests need a part of what they share with those of TLS")]
#[path = "../tls/peers.rs"]
mod peers;

mod counts;
mod groups;
mod listed;
mod names;
mod page;
mod simulation;
mod slow_peers;
mod transports;
