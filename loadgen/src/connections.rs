//! Connections on a driver: the engine under every message load.
//!
//! What is to be sent on a connection is appended to its buffer; one send per connection is in
//! flight, and takes everything that was appended before it.

use std::collections::VecDeque;
use std::ops::Deref;

use overlapped::buf::Packet;
use overlapped::driver::{CloseMode, Completion, SocketId, Wait};
use overlapped::options::StreamOptions;
use overlapped::{Address, Driver, Error, Op, Outcome};

use crate::tls::{Tls, TlsStream};

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
    /// If it is over TLS.
    tls: Option<Box<TlsStream>>,
}

impl Connection {
    fn has_to_send(&self) -> bool {
        !self.out.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.has_output())
    }
}

/// What came.
pub(crate) enum Received {
    Packet(Packet),
    /// From records of TLS.
    Plain(Vec<u8>),
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Received::Packet(packet) => packet,
            Received::Plain(bytes) => bytes,
        }
    }
}

/// What happened on a connection.
pub(crate) enum Happened {
    /// Over TLS, when the handshake is over.
    Connected(Result<(), Error>),
    Received(Received),
    Sent,
    /// The server has ended its stream.
    Ended,
    Failed(Error),
    /// Its TLS cannot go on, or does not begin.
    TlsFailed(String),
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
    /// What connections that are made speak, if not plain TCP.
    tls: Option<Tls>,
    /// What has happened at one time behind something else.
    behind: VecDeque<(usize, Happened)>,
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
        let (dirty, spare, behind) = (Vec::new(), Vec::new(), VecDeque::new());
        Connections { drivers, each, taken: 0, connections: all, dirty, spare, tls: None, behind }
    }

    /// Connections that are made from now on are over this.
    pub(crate) fn over(self, tls: Option<Tls>) -> Connections {
        Connections { tls, ..self }
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

    /// Takes over a connected stream, whose handshake is over if it is over TLS, and starts to
    /// receive from it.
    #[cfg(target_os = "linux")]
    pub(crate) fn adopt(
        &mut self,
        index: usize,
        stream: overlapped::driver::Stream,
        tls: Option<TlsStream>,
    ) -> Result<(), Error> {
        let driver = self.driver_of(index);
        let socket = driver.adopt(stream)?;
        driver.submit(Op::recv_multi(socket), token::of(token::RECEIVE, index))?;
        let connection = &mut self.connections[index];
        (connection.socket, connection.tls) = (Some(socket), tls.map(Box::new));
        Ok(())
    }

    /// What happened next; call it until there is nothing after each [`turn`](Connections::turn).
    pub(crate) fn next(&mut self) -> Option<(usize, Happened)> {
        loop {
            if let Some(behind) = self.behind.pop_front() {
                return Some(behind);
            }
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
                (token::CONNECT, result) => match (result.and_then(|_| self.connected(index)), &self.tls) {
                    (Ok(()), Some(tls)) => match tls.stream() {
                        Ok(stream) => {
                            self.connections[index].tls = Some(Box::new(stream));
                            self.mark(index);
                            continue;
                        }
                        Err(why) => Happened::TlsFailed(why),
                    },
                    (result, _) => Happened::Connected(result),
                },
                (token::RECEIVE, Ok(Outcome::Packet(packet))) => match self.received(index, packet) {
                    Some(happened) => happened,
                    None => continue,
                },
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

    /// What received bytes mean. Over TLS this may be several things, or nothing yet.
    fn received(&mut self, index: usize, packet: Packet) -> Option<Happened> {
        let connection = &mut self.connections[index];
        let Some(tls) = &mut connection.tls else { return Some(Happened::Received(Received::Packet(packet))) };
        let (was_open, mut plain) = (tls.is_open(), Vec::new());
        let received = tls.receive(&packet, &mut plain);
        let opened = !was_open && tls.is_open();
        if tls.has_output() {
            self.mark(index);
        }
        let opened = opened.then_some(Happened::Connected(Ok(())));
        let came = (!plain.is_empty()).then_some(Happened::Received(Received::Plain(plain)));
        let end = match received {
            Ok(false) => None,
            Ok(true) => Some(Happened::Ended),
            Err(why) => Some(Happened::TlsFailed(why)),
        };
        let mut all = opened.into_iter().chain(came).chain(end);
        let first = all.next();
        self.behind.extend(all.map(|happened| (index, happened)));
        first
    }

    fn sent(&mut self, index: usize, buffer: Vec<u8>) {
        self.keep(buffer);
        self.connections[index].sending = false;
        if self.connections[index].has_to_send() {
            self.mark(index);
        }
    }

    fn keep(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_BYTES {
            buffer.clear();
            self.spare.push(buffer);
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
            let Some(socket) = connection.socket.filter(|_| connection.has_to_send()) else { continue };
            let mut out = std::mem::replace(&mut connection.out, self.spare.pop().unwrap_or_default());
            if let Some(tls) = &mut connection.tls {
                let mut wire = self.spare.pop().unwrap_or_default();
                tls.seal(&out, &mut wire);
                std::mem::swap(&mut out, &mut wire);
                self.keep(wire);
            }
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
        self.behind.retain(|(other, _)| *other != index);
        let connection = &mut self.connections[index];
        connection.out = Vec::new();
        let tls = connection.tls.take().filter(|tls| tls.is_open() && mode != CloseMode::Abort);
        if let Some(socket) = connection.socket.take() {
            if let Some(mut tls) = tls {
                // A server tells this from a stream that was cut.
                let mut wire = Vec::new();
                tls.end(&mut wire);
                let _ = self.driver_of(index).submit(Op::send(socket, wire), token::of(token::SEND, index));
            }
            // Refused only if the table of operations is full; then the driver closes it at the
            // end.
            let _ = self.driver_of(index).submit(Op::close(socket, mode), token::of(token::CLOSE, index));
        }
    }
}
