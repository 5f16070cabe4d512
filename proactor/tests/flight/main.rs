//! The flight recorder, and spans: what they tell of sessions, refusals, turns and panics, on every
//! backend of this system and on simulated networks.

#[allow(dead_code, unused_imports, reason = "these tests need a part of what they share with those of the server")]
#[path = "../server/harness/mod.rs"]
mod harness;

mod lives;
mod logged;
mod simulation;
mod traced;
