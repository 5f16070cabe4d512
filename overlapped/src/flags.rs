//! How an operation is done, and on what.

use std::fmt;
use std::ops::BitOr;
use std::time::Duration;

/// Flags of a receive or a send: Winsock's `lpFlags`. Combine them with `|`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// Nothing special.
    pub const NONE: Flags = Flags(0);
    /// Receive without taking the bytes out of the stream (`MSG_PEEK`).
    pub const PEEK: Flags = Flags(1);
    /// Receive until the buffers are full or the stream ends (`MSG_WAITALL`).
    pub const WAIT_ALL: Flags = Flags(2);
    /// Receive or send out-of-band data (`MSG_OOB`).
    pub const OUT_OF_BAND: Flags = Flags(4);

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(Flags::PEEK, "PEEK"), (Flags::WAIT_ALL, "WAIT_ALL"), (Flags::OUT_OF_BAND, "OUT_OF_BAND")];
        f.debug_list().entries(names.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| name)).finish()
    }
}

/// Which directions of a stream to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownHow {
    /// No more receives. Receives that wait, and those that are started later, end as at the end of
    /// the stream. Bytes that come are left unread; a graceful close throws them away. The peer is
    /// not told.
    Receive,
    /// No more sends: the peer sees the end of the stream after everything sent before.
    Send,
    /// Both.
    Both,
}

/// How to close a socket. Every way ends what is in flight on it first, with exactly one completion
/// each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// Cancel receives, let each send that was started before be tried once, let everything end,
    /// close. Sends are tried in their order, as far as the system takes them without waiting.
    /// `WSASend` and then `closesocket` does the same. The first send that the system does not take
    /// whole ends with `Cancelled` and says how much it sent; those behind it end with `Cancelled`.
    /// So does what is behind a connect that has not ended. The close does not wait for the peer.
    ///
    /// If input is left unread, the system resets the connection, and bytes of sends that have
    /// ended may be lost too. [`Graceful`](CloseMode::Graceful) prevents that.
    Now,
    /// Cancel everything in flight, let it end, close, and reset the connection on purpose. Bytes
    /// that were not delivered are thrown away, and no `TIME_WAIT` stays behind.
    Abort,
    /// Cancel receives, let the sends that were started before end, shut down sending, discard
    /// input to the end of the stream, close. If that takes longer than `linger`, close as by
    /// `Now`, and end with `TimedOut`. If it is cancelled, close as by `Now` too.
    Graceful {
        /// How long to wait for the peer, from the start of the close.
        linger: Duration,
    },
}

/// What a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Stream,
    Listener,
    Datagram,
    /// A descriptor that is only watched for readiness.
    Watched,
}

/// The two queues of a socket, in which operations keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// Receives; and a listener's accepts.
    Receive,
    /// Sends, and what keeps its place among them: connects and shutdowns.
    Send,
}
