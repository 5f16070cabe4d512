//! This process and others.

mod about;
mod command_line;
mod create;
mod object;
