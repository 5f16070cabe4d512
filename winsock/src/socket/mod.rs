//! Sockets and their calls.

pub(crate) mod accepting;
pub(crate) mod address;
pub(crate) mod connecting;
pub(crate) mod control;
pub(crate) mod create;
pub(crate) mod descriptor;
pub(crate) mod entry;
pub(crate) mod ioctl;
pub(crate) mod naming;
pub(crate) mod options;
pub(crate) mod startup;
mod system_options;
pub(crate) mod transfer;

pub(crate) use entry::Socket;
