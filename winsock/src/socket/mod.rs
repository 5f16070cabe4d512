//! Sockets and their calls.

pub mod accepting;
pub mod address;
pub mod connecting;
pub mod control;
pub mod create;
pub mod descriptor;
pub mod entry;
pub mod ioctl;
pub mod naming;
pub mod options;
pub mod startup;
mod system_options;
pub mod transfer;

pub use entry::Socket;
