//! Echo: sends received bytes from their receive buffer, with one send in flight per connection.

use std::collections::VecDeque;
use std::io;

use crate::buffers::{Run, Shape};
use crate::ring;
use crate::server::{Flight, Io, Service};

pub(crate) const BUFFERS: Shape = Shape { count: 1024, bytes: 16 * 1024, piece_by_piece: false };

/// For peers that send much at a time.
pub(crate) const STREAM_BUFFERS: Shape = Shape { count: 8, bytes: 256 * 1024, piece_by_piece: true };

/// By place.
#[derive(Default)]
pub(crate) struct Echo(Vec<Option<Connection>>);

#[derive(Default)]
pub(crate) struct Connection {
    flight: Flight,
    /// Received and not sent yet, oldest first; the first is in flight while it is sending.
    unsent: VecDeque<Run>,
}

impl Service for Echo {
    type Connection = Connection;

    fn connected(&mut self) -> Connection {
        Connection::default()
    }

    fn flight(connection: &mut Connection) -> &mut Flight {
        &mut connection.flight
    }

    fn connections(&mut self) -> &mut Vec<Option<Connection>> {
        &mut self.0
    }

    fn received(&mut self, place: u32, run: Run, io: &mut Io<'_>) -> io::Result<()> {
        let connection = self.at(place);
        let is_first_in_flight = connection.unsent.len() == 1 && connection.flight.sending;
        let last = if is_first_in_flight { None } else { connection.unsent.back_mut() };
        if last.is_none_or(|last| !io.buffers.join(last, run)) {
            connection.unsent.push_back(run);
        }
        connection.send(place, io)
    }

    fn sent(&mut self, place: u32, sent: io::Result<u32>, io: &mut Io<'_>) -> io::Result<()> {
        let connection = self.at(place);
        match (sent, connection.unsent.front_mut()) {
            // There was no room for all: the rest follows.
            (Ok(count), Some(run)) if count < run.length => {
                run.offset += count;
                run.length -= count;
            }
            (Ok(_), _) => {
                if let Some(run) = connection.unsent.pop_front() {
                    io.buffers.give_back(run.buffer);
                }
            }
            (Err(_), _) => {
                connection.flight.ended = true;
                for run in connection.unsent.drain(..) {
                    io.buffers.give_back(run.buffer);
                }
                if connection.flight.receiving {
                    io.ring.cancel(ring::RECEIVE, place)?;
                }
            }
        }
        connection.send(place, io)
    }

    fn ended(&mut self, place: u32, _io: &mut Io<'_>) -> io::Result<()> {
        self.at(place).flight.ended = true;
        Ok(())
    }
}

impl Connection {
    /// Sends the oldest run, unless one is in flight: two sends on one socket could interleave.
    fn send(&mut self, place: u32, io: &mut Io<'_>) -> io::Result<()> {
        if let Some(&run) = self.unsent.front()
            && !self.flight.sending
        {
            self.flight.sending = true;
            io.ring.send(place, io.buffers.address(run), run.length)?;
        }
        Ok(())
    }
}
