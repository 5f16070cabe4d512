//! Operations over `overlapped`.

pub(crate) mod accept;
pub(crate) mod attempt;
pub(crate) mod beside;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod end;
pub(crate) mod exit;
pub(crate) mod extension;
mod files;
pub(crate) mod fork;
pub(crate) mod hub;
mod led;
mod make;
pub(crate) mod memory;
mod parts;
pub(crate) mod receive;
pub(crate) mod results;
pub(crate) mod send;
pub(crate) mod settle;
pub(crate) mod start;
pub(crate) mod threads;
pub(crate) mod transmit;
mod work;

pub(crate) use files::{read_file, write_file};
