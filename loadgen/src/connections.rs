//! Connections on a driver: the engine under every message load.
//!
//! What is to be sent on a connection is appended to its buffer; one send per connection is in
//! flight, and takes everything that was appended before it.

use overlapped::buf::Packet;
use overlapped::driver::{CloseMode, Completion, SocketId, Wait};
use overlapped::options::StreamOptions;
use overlapped::{Address, Driver, Error, Op, Outcome};

/// Buffers kept for the next sends, and the largest one that is kept.
const SPARE_BUFFERS: usize = 256;
const SPARE_BYTES: usize = 512 * 1024;

mod token {
    pub(super) const CONNECT: u64 = 0;
    pub(super) const RECEIVE: u64 = 1;
    pub(super) const SEND: u64 = 2;
    pub(super) const CLOSE: u64 = 3;

    pub(super) fn of(kind: u64, index: usize) -> u64 {
        kind << 32 | index as u64
    }

    pub(super) fn parts(token: u64) -> (u64, usize) {
        (token >> 32, token as u32 as usize)
    }
}

#[derive(Default)]
struct Connection {
    socket: Option<SocketId>,
    /// Bytes for the next send.
    out: Vec<u8>,
    sending: bool,
    /// Listed in `dirty`.
    is_dirty: bool,
}

/// What happened on a connection.
pub(crate) enum Happened {
    Connected(Result<(), Error>),
    Received(Packet),
    Sent,
    /// The server has ended its stream.
    Ended,
    Failed(Error),
    /// It was closed, and everything about it has been reported.
    Closed,
}

pub(crate) struct Connections {
    /// One, or as many as their tables of direct descriptors make necessary.
    drivers: Vec<Driver>,
    /// Connections of one driver: those with the first numbers, and so on.
    each: usize,
    /// The driver whose completions are being taken.
    taken: usize,
    connections: Vec<Connection>,
    dirty: Vec<usize>,
    spare: Vec<Vec<u8>>,
}

impl Connections {
    pub(crate) fn new(driver: Driver, connections: usize) -> Connections {
        Connections::on(vec![driver], connections.max(1), connections)
    }

    /// On several drivers, each with `each` connections.
    pub(crate) fn on(drivers: Vec<Driver>, each: usize, connections: usize) -> Connections {
        debug_assert!(drivers.len() * each >= connections, "every connection has a driver");
        let mut all = Vec::new();
        all.resize_with(connections, Connection::default);
        Connections { drivers, each, taken: 0, connections: all, dirty: Vec::new(), spare: Vec::new() }
    }

    /// The first driver; all have the same clock.
    pub(crate) fn driver(&self) -> &Driver {
        &self.drivers[0]
    }

    /// How many drivers they are on.
    #[cfg(target_os = "linux")]
    pub(crate) fn drivers(&self) -> usize {
        self.drivers.len()
    }

    fn driver_of(&mut self, index: usize) -> &mut Driver {
        &mut self.drivers[index / self.each]
    }

    /// Waits until something happens. Several drivers are looked at one after the other, without a
    /// wait: no one of them can wait for the others.
    pub(crate) fn turn(&mut self, wait: Wait) -> Result<(), Error> {
        self.taken = 0;
        match &mut self.drivers[..] {
            [driver] => driver.turn(wait),
            drivers => drivers.iter_mut().try_for_each(|driver| driver.turn(Wait::Poll)),
        }
    }

    fn next_completion(&mut self) -> Option<Completion> {
        while let Some(driver) = self.drivers.get_mut(self.taken) {
            if let Some(completion) = driver.next() {
                return Some(completion);
            }
            self.taken += 1;
        }
        None
    }

    /// Starts connecting; [`Happened::Connected`] follows.
    pub(crate) fn connect(&mut self, index: usize, address: &Address) -> Result<(), Error> {
        let driver = self.driver_of(index);
        let socket = driver.socket(address)?;
        driver.submit(Op::connect(socket, address), token::of(token::CONNECT, index))?;
        self.connections[index].socket = Some(socket);
        Ok(())
    }

    /// Takes over a connected stream and starts to receive from it.
    #[cfg(target_os = "linux")]
    pub(crate) fn adopt(&mut self, index: usize, stream: overlapped::driver::Stream) -> Result<(), Error> {
        let driver = self.driver_of(index);
        let socket = driver.adopt(stream)?;
        driver.submit(Op::recv_multi(socket), token::of(token::RECEIVE, index))?;
        self.connections[index].socket = Some(socket);
        Ok(())
    }

    /// What happened next; call it until there is nothing after each [`turn`](Connections::turn).
    pub(crate) fn next(&mut self) -> Option<(usize, Happened)> {
        loop {
            let completion = self.next_completion()?;
            let (kind, index) = token::parts(completion.token);
            let is_closed = self.connections[index].socket.is_none();
            let happened = match (kind, completion.result) {
                (token::CLOSE, _) => {
                    self.connections[index].sending = false;
                    Happened::Closed
                }
                (token::SEND, Ok(_)) => {
                    let buffer = completion.buf.and_then(|buf| buf.take::<Vec<u8>>().ok());
                    self.sent(index, buffer.unwrap_or_default());
                    Happened::Sent
                }
                _ if is_closed => continue,
                (token::CONNECT, result) => Happened::Connected(result.and_then(|_| self.connected(index))),
                (token::RECEIVE, Ok(Outcome::Packet(packet))) => Happened::Received(packet),
                (token::RECEIVE, Ok(_)) => Happened::Ended,
                (_, Err(error)) => Happened::Failed(error),
                (_, Ok(_)) => continue,
            };
            return Some((index, happened));
        }
    }

    fn connected(&mut self, index: usize) -> Result<(), Error> {
        let Some(socket) = self.connections[index].socket else { return Ok(()) };
        let driver = self.driver_of(index);
        driver.set_options(socket, &StreamOptions::new())?;
        driver.submit(Op::recv_multi(socket), token::of(token::RECEIVE, index))?;
        Ok(())
    }

    fn sent(&mut self, index: usize, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_BYTES {
            buffer.clear();
            self.spare.push(buffer);
        }
        self.connections[index].sending = false;
        if !self.connections[index].out.is_empty() {
            self.mark(index);
        }
    }

    /// Whether everything that was appended has been handed to the system.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_drained(&self, index: usize) -> bool {
        let connection = &self.connections[index];
        !connection.sending && connection.out.is_empty()
    }

    /// Where bytes for the next send are appended.
    pub(crate) fn out(&mut self, index: usize) -> &mut Vec<u8> {
        self.mark(index);
        &mut self.connections[index].out
    }

    fn mark(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if !connection.sending && !std::mem::replace(&mut connection.is_dirty, true) {
            self.dirty.push(index);
        }
    }

    /// Sends what was appended, in one operation per connection. Returns those that could not be
    /// sent.
    pub(crate) fn flush(&mut self) -> Vec<(usize, Error)> {
        let mut failed = Vec::new();
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            let connection = &mut self.connections[index];
            connection.is_dirty = false;
            let Some(socket) = connection.socket.filter(|_| !connection.out.is_empty()) else { continue };
            let out = std::mem::replace(&mut connection.out, self.spare.pop().unwrap_or_default());
            match self.driver_of(index).submit(Op::send(socket, out), token::of(token::SEND, index)) {
                Ok(_) => self.connections[index].sending = true,
                Err(refused) => failed.push((index, refused.error)),
            }
        }
        self.dirty = dirty;
        failed
    }

    /// Closes a connection that was begun. Only the end of a send and [`Happened::Closed`] are
    /// reported of it then.
    pub(crate) fn close(&mut self, index: usize, mode: CloseMode) {
        let connection = &mut self.connections[index];
        connection.out = Vec::new();
        if let Some(socket) = connection.socket.take() {
            // Refused only if the table of operations is full; then the driver closes it at the
            // end.
            let _ = self.driver_of(index).submit(Op::close(socket, mode), token::of(token::CLOSE, index));
        }
    }
}
