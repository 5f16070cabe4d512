//! Operations over `overlapped`.

pub mod accept;
pub mod attempt;
pub mod beside;
pub mod connect;
pub mod disconnect;
pub mod end;
pub mod extension;
mod files;
pub mod hub;
pub mod memory;
pub mod receive;
pub mod results;
pub mod send;
pub mod settle;
pub mod start;
pub mod threads;
pub mod transmit;

pub use files::{read_file, write_file};
