//! What both services do in the same way: accept, receive, and close. A connection is known by its
//! place in the ring's table of files.

use std::io;
use std::net::TcpListener;

use io_uring::CompletionQueue;
use rustix::io::Errno;

use crate::buffers::{Buffers, Run};
use crate::ring::{self, Completed, Ring};

/// What is in flight on a connection. It is closed only when nothing is, so that no completion is
/// ever stale.
#[derive(Default)]
pub(crate) struct Flight {
    pub(crate) sending: bool,
    pub(crate) receiving: bool,
    /// End of stream or an error: nothing more is received.
    pub(crate) ended: bool,
}

/// Where operations are started and received bytes lie.
pub(crate) struct Io<'a> {
    pub(crate) ring: Ring<'a>,
    pub(crate) buffers: Buffers,
}

/// What becomes of received bytes.
pub(crate) trait Service {
    type Connection;

    fn connected(&mut self) -> Self::Connection;
    fn flight(connection: &mut Self::Connection) -> &mut Flight;
    fn connections(&mut self) -> &mut Vec<Option<Self::Connection>>;

    /// Bytes were received. The service gives their buffer back.
    fn received(&mut self, place: u32, run: Run, io: &mut Io<'_>) -> io::Result<()>;

    /// So much of a send is done, or it failed.
    fn sent(&mut self, place: u32, sent: io::Result<u32>, io: &mut Io<'_>) -> io::Result<()>;

    /// Nothing more can be received.
    fn ended(&mut self, place: u32, io: &mut Io<'_>) -> io::Result<()>;

    /// All completions of a turn were handled.
    fn turned(&mut self, _io: &mut Io<'_>) -> io::Result<()> {
        Ok(())
    }

    /// A connection with an operation in flight.
    fn at(&mut self, place: u32) -> &mut Self::Connection {
        let connection = self.connections()[place as usize].as_mut();
        connection.expect("a connection with an operation in flight is not closed")
    }
}

pub(crate) struct Server<'a, S> {
    io: Io<'a>,
    listener: TcpListener,
    service: S,
    /// Connections whose receive ended for want of a buffer.
    starved: Vec<u32>,
}

impl<'a, S: Service> Server<'a, S> {
    pub(crate) fn new(io: Io<'a>, listener: TcpListener, service: S) -> Self {
        Self { io, listener, service, starved: Vec::new() }
    }

    pub(crate) fn run(&mut self, mut completions: CompletionQueue<'_>) -> io::Result<()> {
        self.io.ring.accept(&self.listener)?;
        loop {
            self.io.ring.submit_and_wait()?;
            completions.sync();
            while let Some(completed) = ring::next(&mut completions) {
                match completed.kind {
                    ring::ACCEPT => self.accepted(&completed)?,
                    ring::RECEIVE => self.received(&completed)?,
                    ring::SEND => {
                        S::flight(self.service.at(completed.place)).sending = false;
                        self.service.sent(completed.place, completed.result(), &mut self.io)?;
                        self.close_if_idle(completed.place)?;
                    }
                    _ => {}
                }
            }
            self.service.turned(&mut self.io)?;
            self.io.buffers.publish();
            if !self.starved.is_empty() && self.io.buffers.has_free() {
                for place in std::mem::take(&mut self.starved) {
                    self.receive_more(place)?;
                    self.close_if_idle(place)?;
                }
            }
        }
    }

    fn accepted(&mut self, completed: &Completed) -> io::Result<()> {
        let place = completed.result()?;
        let connection = self.service.connected();
        let connections = self.service.connections();
        if connections.len() <= place as usize {
            connections.resize_with(place as usize + 1, || None);
        }
        connections[place as usize] = Some(connection);
        self.receive_more(place)?;
        if !completed.more() {
            self.io.ring.accept(&self.listener)?;
        }
        Ok(())
    }

    fn receive_more(&mut self, place: u32) -> io::Result<()> {
        if let Some(flight) = self.service.connections()[place as usize].as_mut().map(S::flight)
            && !flight.ended
            && !flight.receiving
        {
            flight.receiving = true;
            self.io.ring.receive(place)?;
        }
        Ok(())
    }

    fn received(&mut self, completed: &Completed) -> io::Result<()> {
        let place = completed.place;
        let flight = S::flight(self.service.at(place));
        flight.receiving = completed.more();
        let has_ended = flight.ended;
        let result = completed.result();
        let length = *result.as_ref().unwrap_or(&0);
        let goes_on = completed.buffer_goes_on();
        let run = completed.buffer().and_then(|buffer| self.io.buffers.received(buffer, length, goes_on));
        match (result, run) {
            (Ok(1..), Some(run)) if !has_ended => {
                self.service.received(place, run, &mut self.io)?;
                if !completed.more() {
                    self.receive_more(place)?;
                }
            }
            (Err(error), None) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                self.starved.push(place);
            }
            (_, run) => {
                if let Some(run) = run {
                    self.io.buffers.give_back(run.buffer);
                }
                self.service.ended(place, &mut self.io)?;
            }
        }
        self.close_if_idle(place)
    }

    fn close_if_idle(&mut self, place: u32) -> io::Result<()> {
        let idle = |connection: &mut S::Connection| {
            let flight = S::flight(connection);
            flight.ended && !flight.receiving && !flight.sending
        };
        if self.service.connections()[place as usize].take_if(idle).is_some() {
            self.io.ring.close(place)?;
        }
        Ok(())
    }
}
