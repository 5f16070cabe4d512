//! Errors of starting a server, and of sending.

use std::fmt;

use crate::codec::FrameError;

/// Why a server could not be started, or ended before it was told to.
#[derive(Debug)]
pub enum ServerError {
    /// A setting is unusable; the text names it.
    Config(String),
    /// The I/O layer failed.
    Io(overlapped::Error),
    /// A shard's thread could not be started, or was lost.
    Thread(String),
}

impl ServerError {
    /// The error of the I/O layer, if it is one.
    pub fn io(&self) -> Option<&overlapped::Error> {
        match self {
            ServerError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use overlapped::ErrorKind as Kind;
        match self {
            ServerError::Config(what) => f.write_str(what),
            ServerError::Thread(what) => f.write_str(what),
            ServerError::Io(error) => {
                error.fmt(f)?;
                f.write_str(match error.kind() {
                    Kind::InUse if error.address().is_some_and(|address| address.path().is_some()) => {
                        "; choose another path, or end the program that listens there, if one does"
                    }
                    Kind::InUse => "; end the program that listens there, or choose another port",
                    Kind::AddressNotAvailable => "; choose an address of this machine, or 0.0.0.0 or [::] for all of them",
                    Kind::NotPermitted if error.address().and_then(overlapped::Address::ip).is_some_and(|address| address.port() < 1024) => {
                        "; choose a port from 1024 on, or give the program the right to low ports (CAP_NET_BIND_SERVICE)"
                    }
                    Kind::NotPermitted if error.address().is_some_and(|address| address.path().is_some()) => {
                        "; choose a directory that this user may write to"
                    }
                    Kind::NotFound if error.address().is_some() => "; make its directory first",
                    Kind::TooManyFiles => "; raise the limit of open files (ulimit -n)",
                    _ => "",
                })
            }
        }
    }
}

impl std::error::Error for ServerError {}

impl From<overlapped::Error> for ServerError {
    fn from(error: overlapped::Error) -> ServerError {
        ServerError::Io(error)
    }
}

/// Why a packet was not taken for sending. Nothing of it was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The session has ended, or is being closed.
    Closed,
    /// The session's outbox, or its shard's mailbox, has no room for it.
    Full,
    /// The server's codec has no frame for it.
    Frame(FrameError),
    /// Packets of 64 other keys wait for the session already
    /// ([`send_latest`](crate::Session::send_latest)).
    TooManyKeys,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Closed => f.write_str("the session is closed"),
            SendError::Full => f.write_str("too much is queued already"),
            SendError::Frame(error) => error.fmt(f),
            SendError::TooManyKeys => f.write_str("packets of 64 other keys wait already; use fewer keys"),
        }
    }
}

impl std::error::Error for SendError {}

/// Why a timer was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerError {
    /// The session has ended, or is being closed.
    Closed,
    /// The session has 64 timers already, or the shard 1,024 that belong to no session.
    Full,
}

impl fmt::Display for TimerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimerError::Closed => "the session is closed",
            TimerError::Full => "too many timers are set already",
        })
    }
}

impl std::error::Error for TimerError {}

/// Why a session did not become a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The session has ended, or is being closed.
    Closed,
    /// It is a member of 64 groups already.
    TooMany,
    /// The group's members are sessions of another server.
    OtherServer,
    /// The mailbox of the session's shard has no room.
    Full,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinError::Closed => "the session is closed",
            JoinError::TooMany => "the session is in too many groups",
            JoinError::OtherServer => "the group belongs to another server",
            JoinError::Full => "too much is queued already",
        })
    }
}

impl std::error::Error for JoinError {}

/// Why a group is not [watched](crate::Handle::watch_presence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchError {
    /// The group has no name.
    Nameless,
    /// The mailbox of a shard has no room: members that are there are not counted yet.
    Full,
    /// A shard has ended.
    Closed,
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WatchError::Nameless => "the group has no name, and only one with a name can be watched",
            WatchError::Full => "a shard cannot be asked for the members now; try again later",
            WatchError::Closed => "a shard has ended",
        })
    }
}

impl std::error::Error for WatchError {}
