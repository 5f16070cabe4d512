//! The load of `proactor bench`: every packet is answered with one packet, and every byte is
//! checked.
//!
//! Parts that know neither socket nor clock: [`script`] says what the messages are, `conversation`
//! checks the answers, `timeline` and `tally` count. `generator` is the load of one thread, [`run`]
//! all of them; [`record`] collects, [`summary`] calculates, `text` and `page` present.

mod connection;
mod conversation;
pub mod fault;
pub mod figures;
mod generator;
pub mod messages;
mod page;
pub mod plan;
pub mod record;
pub mod run;

pub mod script;
#[cfg(test)]
mod simulated;
pub mod summary;
pub(crate) mod tally;
mod text;
pub mod timeline;
