//! Echo: sends received bytes from their receive buffer, with one send in flight per connection.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;

use io_uring::CompletionQueue;
use rustix::io::Errno;

use crate::buffers::{Buffers, Run};
use crate::ring::{self, Completed, Ring};

pub(crate) const BUFFERS: u16 = 1024;

pub(crate) struct Server<'a> {
    ring: Ring<'a>,
    buffers: Buffers,
    listener: TcpListener,
    /// By place. One is closed only when nothing of it is in flight, so that no completion is ever
    /// stale.
    connections: Vec<Option<Connection>>,
    /// Connections whose receive ended for want of a buffer.
    starved: Vec<u32>,
}

struct Connection {
    /// Received and not sent yet, oldest first; the first is in flight while `sending`.
    unsent: VecDeque<Run>,
    sending: bool,
    receiving: bool,
    /// End of stream or an error: nothing more is received.
    ended: bool,
}

impl<'a> Server<'a> {
    pub(crate) fn new(ring: Ring<'a>, buffers: Buffers, listener: TcpListener) -> Self {
        Self { ring, buffers, listener, connections: Vec::new(), starved: Vec::new() }
    }

    pub(crate) fn run(&mut self, mut completions: CompletionQueue<'_>) -> io::Result<()> {
        self.ring.accept(&self.listener)?;
        loop {
            self.ring.submit_and_wait()?;
            completions.sync();
            while let Some(completed) = ring::next(&mut completions) {
                match completed.kind {
                    ring::ACCEPT => self.accepted(&completed)?,
                    ring::RECEIVE => self.received(&completed)?,
                    ring::SEND => self.sent(&completed)?,
                    _ => {}
                }
            }
            self.buffers.publish();
            if !self.starved.is_empty() && self.buffers.has_free() {
                for place in std::mem::take(&mut self.starved) {
                    self.receive_more(place)?;
                }
            }
        }
    }

    fn accepted(&mut self, completed: &Completed) -> io::Result<()> {
        let place = completed.result()?;
        if self.connections.len() <= place as usize {
            self.connections.resize_with(place as usize + 1, || None);
        }
        let connection = Connection { unsent: VecDeque::new(), sending: false, receiving: false, ended: false };
        self.connections[place as usize] = Some(connection);
        self.receive_more(place)?;
        if !completed.more() {
            self.ring.accept(&self.listener)?;
        }
        Ok(())
    }

    fn receive_more(&mut self, place: u32) -> io::Result<()> {
        if let Some(connection) = &mut self.connections[place as usize]
            && !connection.ended
            && !connection.receiving
        {
            connection.receiving = true;
            self.ring.receive(place)?;
        }
        Ok(())
    }

    fn received(&mut self, completed: &Completed) -> io::Result<()> {
        let place = completed.place;
        let connection = in_use(&mut self.connections, place);
        connection.receiving = completed.more();
        let result = completed.result();
        let length = *result.as_ref().unwrap_or(&0);
        let run = completed.buffer().map(|buffer| self.buffers.received(buffer, length));
        match (result, run) {
            (Ok(1..), Some(run)) if !connection.ended => {
                connection.unsent.push_back(run);
                self.send(place)?;
                if !completed.more() {
                    self.receive_more(place)?;
                }
                return Ok(());
            }
            (Err(error), None) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                self.starved.push(place);
            }
            (_, run) => {
                connection.ended = true;
                if let Some(run) = run {
                    self.buffers.give_back(run.buffer);
                }
            }
        }
        self.close_if_idle(place)
    }

    /// Sends the oldest run, unless one is in flight: two sends on one socket could interleave.
    fn send(&mut self, place: u32) -> io::Result<()> {
        let connection = in_use(&mut self.connections, place);
        if let Some(&run) = connection.unsent.front()
            && !connection.sending
        {
            connection.sending = true;
            self.ring.send(place, self.buffers.address(run), run.length)?;
        }
        Ok(())
    }

    fn sent(&mut self, completed: &Completed) -> io::Result<()> {
        let place = completed.place;
        let connection = in_use(&mut self.connections, place);
        connection.sending = false;
        match (completed.result(), connection.unsent.front_mut()) {
            // There was no room for all: the rest follows.
            (Ok(count), Some(run)) if count < run.length => {
                run.offset += count;
                run.length -= count;
            }
            (Ok(_), _) => {
                if let Some(run) = connection.unsent.pop_front() {
                    self.buffers.give_back(run.buffer);
                }
            }
            (Err(_), _) => {
                connection.ended = true;
                for run in connection.unsent.drain(..) {
                    self.buffers.give_back(run.buffer);
                }
                if connection.receiving {
                    self.ring.cancel(ring::RECEIVE, place)?;
                }
            }
        }
        if connection.unsent.is_empty() { self.close_if_idle(place) } else { self.send(place) }
    }

    fn close_if_idle(&mut self, place: u32) -> io::Result<()> {
        let connection = &mut self.connections[place as usize];
        if connection.take_if(|connection| connection.ended && !connection.receiving && !connection.sending).is_some() {
            self.ring.close(place)?;
        }
        Ok(())
    }
}

fn in_use(connections: &mut [Option<Connection>], place: u32) -> &mut Connection {
    connections[place as usize].as_mut().expect("a connection with an operation in flight is not closed")
}
