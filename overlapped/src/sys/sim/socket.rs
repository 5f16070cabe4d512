//! What the network keeps of each socket on it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::options::StreamOptions;
use crate::table::Key;
use crate::time::Time;

use super::faults::Faults;

#[derive(Debug)]
pub(super) struct Socket {
    /// The host that it is attached to, and that host's number for it.
    pub(super) owner: Option<(u32, u32)>,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) send_bytes: usize,
    pub(super) receive_bytes: usize,
    pub(super) reset_on_close: bool,
    /// Which of its connects this is. What happens for an earlier one, which was cancelled, is
    /// ignored. An accepted socket has its client's number.
    pub(super) connect: u32,
    /// Its local address is that of its listener.
    pub(super) accepted: bool,
    /// Its handle is gone. It is kept until its peer has closed too.
    pub(super) closed: bool,
    /// Of a client: how its connection is disturbed.
    pub(super) faults: Option<Box<Faults>>,
    pub(super) role: Role,
}

#[derive(Debug)]
pub(super) enum Role {
    Fresh,
    Connecting,
    /// Connecting failed, and the driver has not been told yet.
    Failed(i32),
    Stream(StreamEnd),
    Listener(Listener),
    Datagrams(Datagrams),
}

/// What a datagram socket has.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    pub(super) arrived: VecDeque<(Vec<u8>, SocketAddr)>,
    /// What those take of the receive buffer.
    pub(super) taken: usize,
    /// It shares its port.
    pub(super) shares: bool,
}

#[derive(Debug)]
pub(super) struct Listener {
    /// Connections that can be accepted.
    pub(super) queue: VecDeque<Key>,
    /// Connections in their handshake. They have their places in the backlog.
    pub(super) half_open: usize,
    pub(super) backlog: usize,
    pub(super) only_v6: bool,
    pub(super) stream: StreamOptions,
}

/// What travels from one end to the other, in order.
#[derive(Debug)]
pub(super) enum Item {
    SynAck,
    Ack,
    Data(Vec<u8>),
    Fin,
    Reset,
}

#[derive(Debug)]
pub(super) struct StreamEnd {
    pub(super) other: Key,
    /// The listener in whose backlog it is, until the handshake is over.
    pub(super) listener: Option<Key>,
    pub(super) arrived: VecDeque<u8>,
    /// The peer has ended its stream, and that has arrived.
    pub(super) ended: bool,
    /// The peer has reset the connection, and that has arrived.
    pub(super) reset: bool,
    /// This end has shut down receiving.
    pub(super) deaf: bool,
    /// Sent and on its way.
    pub(super) under_way: VecDeque<Item>,
    /// When the last of that arrives.
    pub(super) last_arrival: Time,
    /// Bytes sent that the peer is not yet known to have received.
    pub(super) outstanding: usize,
    /// Bytes received that the peer has not been told of.
    pub(super) unannounced: usize,
    /// This end has ended its stream.
    pub(super) fin_sent: bool,
    /// This end has reset the connection.
    pub(super) reset_sent: bool,
}

impl StreamEnd {
    pub(super) fn new(other: Key, listener: Option<Key>) -> StreamEnd {
        StreamEnd {
            other,
            listener,
            arrived: VecDeque::new(),
            ended: false,
            reset: false,
            deaf: false,
            under_way: VecDeque::new(),
            last_arrival: Time::ZERO,
            outstanding: 0,
            unannounced: 0,
            fin_sent: false,
            reset_sent: false,
        }
    }
}
