//! Files and directories.

mod about;
mod directories;
mod errors;
mod find;
mod full_path;
mod open;
mod parts;
mod path;
mod position;
mod standard;
mod transfer;

pub(crate) use errors::code_of;
pub(crate) use path::to_system;
pub(crate) use standard::descriptor_of;
