//! The servers that take part: what each offers, how it is written, and how it is started.

mod choice;
mod identity;
mod offer;
mod program;
mod server;
mod table;

pub(crate) use choice::{from_command, from_variant, list, select};
pub(crate) use identity::Identity;
pub(crate) use offer::Contestant;
pub(crate) use program::{Places, Workshop};
