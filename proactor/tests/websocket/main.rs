//! WebSocket as a transport of listeners and of outbound connections: on every backend of this
//! system, and on simulated networks.

#[allow(dead_code, unused_imports, reason = "these tests need a part of what they share with those of the server")]
#[path = "../server/harness/mod.rs"]
mod harness;

mod closing;
mod deflate;
mod groups;
mod http;
mod outbound;
mod pairs;
mod peer;
mod sessions;
mod simulation;
