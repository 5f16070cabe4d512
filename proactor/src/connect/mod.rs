//! Outbound connections. They become sessions of the shard on which they were asked for, in the
//! hands of the same handler.
//!
//! - An attempt ends exactly once: in [`Handler::connected`](crate::Handler::connected) or in
//!   [`Handler::connect_failed`](crate::Handler::connect_failed), and never within the call that
//!   asks for it.
//! - From its beginning it holds one of the places that limit outbound sessions. The place goes
//!   with the session, and is given back whichever way that ends.
//! - An attempt ends when the session that asked for it closes, and when the server ends.

mod attempts;
mod error;
mod race;
mod target;

pub(crate) use attempts::{Attempts, Ended, Request, reset};
pub(crate) use error::ConnectWaiter;
pub use error::{ConnectError, ConnectFailure, Tried};
pub use target::{Origin, Target, TargetError};
