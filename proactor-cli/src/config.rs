//! The configuration of a server: flags, variables and a file, with the same names. The flags that
//! clap knows are the only list of them.
//!
//! What a file or the environment sets becomes arguments, and clap reads those with the others: so
//! every value has one parser, whatever it is written in.

mod again;
mod command;
mod file;
mod keys;
mod options;
mod reading;
mod refused;
mod settings;
mod show;

pub(crate) use again::{Again, begins_with, can_be_read_again, read_again};
pub(crate) use command::{Config, Next, Run};
pub(crate) use options::ConfigOptions;
pub(crate) use reading::{Read, read};
