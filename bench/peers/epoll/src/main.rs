//! Echo by a bare level-triggered epoll loop. The floor: the cost of readiness without a library.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use peer_cli::Service;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt::set_tcp_nodelay};

const LISTENER: u64 = u64::MAX;

struct Connection {
    socket: TcpStream,
    /// Unsent bytes. While there are any, nothing is received.
    unsent: Vec<u8>,
}

fn main() -> anyhow::Result<()> {
    let cli = peer_cli::parse(&[Service::Echo, Service::Stream]);
    let listener = TcpListener::bind(cli.listen)?;
    listener.set_nonblocking(true)?;
    // Accepted sockets inherit it.
    set_tcp_nodelay(&listener, true)?;
    let queue = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&queue, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    peer_cli::announce(listener.local_addr()?)?;

    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut buffer = vec![0; cli.service.buffer_bytes()];
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&queue, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            if event.data.u64() == LISTENER {
                accept(&queue, &listener, &mut connections)?;
                continue;
            }
            let place = &mut connections[event.data.u64() as usize];
            if let Some(connection) = place
                && connection.echo(&queue, &mut buffer).is_err()
            {
                // Closing the socket takes it out of the queue.
                *place = None;
            }
        }
    }
}

/// Accepts every waiting connection. A connection's place is its descriptor.
fn accept(queue: &OwnedFd, listener: &TcpListener, connections: &mut Vec<Option<Connection>>) -> io::Result<()> {
    loop {
        let socket = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => TcpStream::from(socket),
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let place = socket.as_raw_fd() as usize;
        if connections.len() <= place {
            connections.resize_with(place + 1, || None);
        }
        epoll::add(queue, &socket, EventData::new_u64(place as u64), EventFlags::IN)?;
        connections[place] = Some(Connection { socket, unsent: Vec::new() });
    }
}

impl Connection {
    /// Handles one event. An error or end of stream ends the connection.
    fn echo(&mut self, queue: &OwnedFd, buffer: &mut [u8]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            let count = self.send(&self.unsent)?;
            self.unsent.drain(..count);
            if self.unsent.is_empty() {
                self.await_event(queue, EventFlags::IN)?;
            }
            return Ok(());
        }
        let received = match self.socket.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => &buffer[..count],
            Err(error) if is_transient(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let count = self.send(received)?;
        if count < received.len() {
            self.unsent.extend_from_slice(&received[count..]);
            self.await_event(queue, EventFlags::OUT)?;
        }
        Ok(())
    }

    /// Sends what there is room for.
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.socket).write(bytes) {
            Err(error) if is_transient(&error) => Ok(0),
            sent => sent,
        }
    }

    fn await_event(&self, queue: &OwnedFd, flags: EventFlags) -> io::Result<()> {
        let place = self.socket.as_raw_fd() as u64;
        Ok(epoll::modify(queue, &self.socket, EventData::new_u64(place), flags)?)
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
