//! Asking sockets what they are ready for: `select`, `WSAPoll`, and events of the network.

mod ask;
mod events;
mod select;
mod watch;
