//! Connect, send one message, have its echo, reset, and again: so many connections at a time. A
//! unit is a connection, and the time it takes is from connecting to the last byte of the echo.
//!
//! A reset leaves nothing behind on either side, so that ports do not run out.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::measurement::Measurement;
use super::message::Message;
use super::setup::{STALLED, Setup};
use super::window::Window;

pub(super) fn run(setup: &Setup) -> Result<Measurement> {
    let case = &setup.case;
    let mut churn = Churn { queue: epoll::create(epoll::CreateFlags::CLOEXEC)?, server: setup.connect, open: 0 };
    let (connections, size) = (case.get("connections"), case.get("size"));
    let mut places: Vec<Place> = (0..connections)
        .map(|number| Place {
            number: number as u64,
            socket: None,
            conversation: Message::random(number as u64, size),
            begun: Instant::now(),
        })
        .collect();
    churn.run(&mut places, setup.window()?)
}

struct Churn {
    queue: OwnedFd,
    server: SocketAddr,
    /// Connections under way.
    open: usize,
}

/// Where one connection follows another.
struct Place {
    number: u64,
    socket: Option<TcpStream>,
    conversation: Message,
    begun: Instant,
}

impl Churn {
    fn run(&mut self, places: &mut [Place], mut window: Window) -> Result<Measurement> {
        window.start();
        for place in &mut *places {
            self.open(place)?;
        }
        let stalled = Timespec::try_from(STALLED).context("timeout out of range")?;
        let mut buffer = vec![0; 64 * 1024];
        let mut events = Vec::with_capacity(64);
        while self.open > 0 {
            events.clear();
            match epoll::wait(&self.queue, spare_capacity(&mut events), Some(&stalled)) {
                Ok(0) => {
                    let waiting = places.iter().find(|place| place.socket.is_some());
                    let waiting = waiting.map(|place| place.conversation.describe());
                    bail!("no answer for {STALLED:?}: {} open, among them {}", self.open, waiting.unwrap_or_default());
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("epoll_wait"),
            }
            for event in &events {
                let place = &mut places[event.data.u64() as usize];
                if let Some(took) = self.handle(place, event.flags, &mut buffer)? {
                    window.completed(1, took);
                    if !window.is_over() {
                        place.conversation.next_random();
                        self.open(place)?;
                    }
                }
            }
            window.advance()?;
        }
        window.into_measurement().context("the connections ended before the window did")
    }

    /// On loopback the connection is complete when `connect` returns, so the message leaves at
    /// once.
    fn open(&mut self, place: &mut Place) -> Result<()> {
        place.begun = Instant::now();
        let describe = |place: &Place| format!("connecting to {}: {}", self.server, place.conversation.describe());
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        match net::connect(&socket, &self.server) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error).with_context(|| describe(place)),
        }
        let socket = place.socket.insert(TcpStream::from(socket));
        self.open += 1;
        send(socket, &mut place.conversation)?;
        let mut interest = epoll::EventFlags::IN;
        interest.set(epoll::EventFlags::OUT, !place.conversation.unsent().is_empty());
        epoll::add(&self.queue, &*socket, epoll::EventData::new_u64(place.number), interest)?;
        Ok(())
    }

    /// The time a connection took, if it is done.
    fn handle(&mut self, place: &mut Place, flags: epoll::EventFlags, buffer: &mut [u8]) -> Result<Option<Duration>> {
        let Some(socket) = &mut place.socket else { return Ok(None) };
        if flags.contains(epoll::EventFlags::OUT) {
            send(socket, &mut place.conversation)?;
            if place.conversation.unsent().is_empty() {
                let data = epoll::EventData::new_u64(place.number);
                epoll::modify(&self.queue, &*socket, data, epoll::EventFlags::IN)?;
            }
        }
        match socket.read(buffer) {
            Ok(0) => {
                return Err(io::Error::from(ErrorKind::UnexpectedEof))
                    .with_context(|| format!("server closed: {}", place.conversation.describe()));
            }
            Ok(count) => place.conversation.received(&buffer[..count])?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(None),
            Err(error) => return Err(error).with_context(|| place.conversation.describe()),
        }
        if !place.conversation.is_complete() {
            return Ok(None);
        }
        let took = place.begun.elapsed();
        // It lingers for no time: closing resets it.
        place.socket = None;
        self.open -= 1;
        Ok(Some(took))
    }
}

/// Sends what there is room for; nothing while it is not connected.
fn send(mut socket: &TcpStream, conversation: &mut Message) -> Result<()> {
    while !conversation.unsent().is_empty() {
        match socket.write(conversation.unsent()) {
            Ok(count) => conversation.sent(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).with_context(|| conversation.describe()),
        }
    }
    Ok(())
}
