//! What the sessions and groups of a server are known by: names of groups, and keys of sessions.
//! Each is a table of its own with its own locks, which only those take that use it. Knows no
//! socket.

pub(crate) mod identities;
pub(crate) mod keys;
pub(crate) mod names;
pub(crate) mod striped;

use std::fmt;

/// Bytes of a name or a key.
pub(crate) const MOST_NAME_BYTES: usize = 1024;

/// Why there is no group of a [name](crate::Handle::group).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The name has more than 1,024 bytes.
    TooLong,
    /// The server has 1,048,576 groups with a name, and none with this one.
    TooMany,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::TooLong => write!(f, "the name of a group must have at most {MOST_NAME_BYTES} bytes"),
            NameError::TooMany => {
                f.write_str("there are too many groups; leave some, or let go of those without members")
            }
        }
    }
}

impl std::error::Error for NameError {}
