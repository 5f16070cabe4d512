//! Sessions over TLS from outside: with peers that are not ours, on every backend of this system,
//! and on simulated networks.

#[allow(dead_code, unused_imports, reason = "these tests need a part of what they share with those of the server")]
#[path = "../server/harness/mod.rs"]
mod harness;

#[path = "../echo/mod.rs"]
mod echo;
mod flood;
mod hello;
mod http;
mod outbound;
mod peers;
mod records;
mod resumed;
mod sent_on;
mod sessions;
mod sim_peer;
mod simulated;
mod start_tls;
mod swarm;
