//! Drives a load over a level-triggered epoll: no time-outs, no re-registration, two system calls an exchange.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::STALLED;
use super::window::Window;
use crate::measurement::Measurement;

/// Events taken in one wait: few enough that the clock is looked at often.
const BATCH: usize = 256;

/// Bytes received at once.
const BUFFER: usize = 256 * 1024;

/// What is said on all connections, and what is expected to be heard. Knows no socket.
pub(super) trait Load {
    /// Whether it sends by the clock: then the loop never sleeps.
    const PACED: bool = false;

    /// The load begins now.
    fn start(&mut self, now: Instant);

    /// What is to be sent on a connection now.
    fn unsent(&self, connection: usize) -> &[u8];
    fn sent(&mut self, connection: usize, count: usize);

    /// Checks what came on a connection. What it makes it send is sent at once.
    fn received(&mut self, connection: usize, bytes: &[u8], now: Instant, window: &mut Window) -> Result<()>;

    /// After every batch of events: the connections that have something to send though nothing came on them.
    fn other_senders(&mut self, _now: Instant, _window: &Window, _senders: &mut Vec<usize>) {}

    /// Whether nothing is awaited any more. Asked when the window is over.
    fn is_quiet(&self) -> bool;

    /// What is under way on a connection, for an error.
    fn describe(&self, connection: usize) -> String;
    /// What is awaited, for an error.
    fn describe_outstanding(&self) -> String;
}

struct Connection {
    socket: TcpStream,
    /// Waits for room in the socket's buffer.
    blocked: bool,
}

/// Runs a load over the window. The connection's number is its place among the sockets.
pub(super) fn run(sockets: Vec<TcpStream>, load: &mut impl Load, window: Window) -> Result<Measurement> {
    Loop::new(sockets, load)?.run(window)
}

struct Loop<'a, L> {
    queue: std::os::fd::OwnedFd,
    connections: Vec<Connection>,
    load: &'a mut L,
    buffer: Vec<u8>,
}

impl<'a, L: Load> Loop<'a, L> {
    fn new(sockets: Vec<TcpStream>, load: &'a mut L) -> Result<Self> {
        let queue = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, socket) in sockets.iter().enumerate() {
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&queue, socket, data, epoll::EventFlags::IN)?;
        }
        let connections = sockets.into_iter().map(|socket| Connection { socket, blocked: false }).collect();
        Ok(Self { queue, connections, load, buffer: vec![0; BUFFER] })
    }

    fn run(mut self, mut window: Window) -> Result<Measurement> {
        window.start();
        self.load.start(Instant::now());
        for number in 0..self.connections.len() {
            self.send(number)?;
        }
        let stalled = Timespec::try_from(STALLED).context("time-out out of range")?;
        let patience = if L::PACED { Timespec::default() } else { stalled };
        let mut events = Vec::with_capacity(BATCH);
        let mut senders = Vec::new();
        let mut heard = Instant::now();
        while !(window.is_over() && self.load.is_quiet()) {
            events.clear();
            match epoll::wait(&self.queue, spare_capacity(&mut events), Some(&patience)) {
                Ok(0) if !L::PACED || heard.elapsed() > STALLED => {
                    bail!("no answer for {STALLED:?}: {}", self.load.describe_outstanding());
                }
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => {
                    for event in &events {
                        self.handle(event, &mut window)?;
                    }
                    heard = Instant::now();
                }
                Err(error) => return Err(error).context("epoll_wait"),
            }
            self.load.other_senders(Instant::now(), &window, &mut senders);
            for number in senders.drain(..) {
                if !self.connections[number].blocked {
                    self.send(number)?;
                }
            }
            window.advance()?;
        }
        window.into_measurement().context("the connections ended before the window did")
    }

    fn handle(&mut self, event: &epoll::Event, window: &mut Window) -> Result<()> {
        let number = event.data.u64() as usize;
        let flags = event.flags;
        if flags.contains(epoll::EventFlags::OUT) {
            self.send(number)?;
        }
        if flags == epoll::EventFlags::OUT || !self.receive(number, window)? {
            return Ok(());
        }
        if !self.connections[number].blocked {
            self.send(number)?;
        }
        Ok(())
    }

    fn send(&mut self, number: usize) -> Result<()> {
        let connection = &mut self.connections[number];
        let mut full = false;
        while !full {
            let unsent = self.load.unsent(number);
            if unsent.is_empty() {
                break;
            }
            match (&connection.socket).write(unsent) {
                Ok(count) => self.load.sent(number, count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => full = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| self.load.describe(number)),
            }
        }
        if full != connection.blocked {
            connection.blocked = full;
            let mut flags = epoll::EventFlags::IN;
            flags.set(epoll::EventFlags::OUT, full);
            let data = epoll::EventData::new_u64(number as u64);
            epoll::modify(&self.queue, &connection.socket, data, flags)?;
        }
        Ok(())
    }

    /// Receives once. Whether anything came.
    fn receive(&mut self, number: usize, window: &mut Window) -> Result<bool> {
        match (&self.connections[number].socket).read(&mut self.buffer) {
            Ok(0) => Err(io::Error::from(ErrorKind::UnexpectedEof))
                .with_context(|| format!("server closed: {}", self.load.describe(number))),
            Ok(count) => {
                self.load.received(number, &self.buffer[..count], Instant::now(), window)?;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(error).with_context(|| self.load.describe(number)),
        }
    }
}
