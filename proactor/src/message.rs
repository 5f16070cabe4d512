//! The type of message of logic that takes none.

/// The type of message of logic that is sent none: there is no value of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMessage {}
