//! Sessions on one driver, with nothing in flight while they are quiet.

use std::net::TcpStream;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use overlapped::buf::PoolConfig;
use overlapped::driver::{CloseMode, SocketId, Wait};
use overlapped::{Driver, DriverConfig, ErrorKind, Op, Outcome};

use crate::workload::content::Content;
use crate::workload::echoes::{Answers, Echo, Place};
use crate::workload::setup::STALLED;

/// Sessions that speak at once: as many as the accept queue of any server takes.
pub(super) const BATCH: usize = 100;

/// A session whose server ends has to be ended after this time: others may come first.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// What a session does is told by the token of its operation, beside its place in the batch.
mod token {
    pub(super) const SEND: u64 = 0;
    pub(super) const RECEIVE: u64 = 1;
    pub(super) const CLOSE: u64 = 2;

    pub(super) fn of(kind: u64, place: usize) -> u64 {
        kind << 32 | place as u64
    }

    pub(super) fn parts(token: u64) -> (u64, usize) {
        (token >> 32, token as u32 as usize)
    }
}

struct Session {
    socket: SocketId,
    place: Place,
}

/// A driver and its sessions.
pub(super) struct Ring {
    driver: Driver,
    sessions: Vec<Session>,
    /// The number of the first.
    first: usize,
    room: usize,
}

impl Ring {
    /// A driver for `room` sessions. The first has the number `first`.
    ///
    /// # Errors
    /// The driver's. `direct` asks for direct descriptors: `Unsupported` where there are none.
    pub(super) fn new(room: usize, first: usize, direct: bool) -> Result<Ring, overlapped::Error> {
        // Nothing is received into pooled buffers.
        let pool = PoolConfig::new().buffers(2).buffer_bytes(64);
        let config = DriverConfig::new().sockets(room).operations(4 * BATCH).submissions(4 * BATCH as u32).pool(pool);
        Ok(Ring { driver: Driver::new(config.direct_descriptors(direct))?, sessions: Vec::new(), first, room })
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn room(&self) -> usize {
        self.room - self.sessions.len()
    }

    /// Takes over the connection of the next session.
    pub(super) fn add(&mut self, said: &Content, stream: TcpStream) -> Result<()> {
        let number = self.first + self.sessions.len();
        let adopted = self.driver.adopt(stream.into()).map_err(|failed| failed.error);
        let socket = adopted.with_context(|| format!("session {number}"))?;
        self.sessions.push(Session { socket, place: Place::first(said, number) });
        Ok(())
    }

    /// How many of its sockets the limit of open files does not count.
    pub(super) fn direct(&self) -> usize {
        self.driver.live().direct
    }

    /// A message on each of these sessions, all sent before the first echo is awaited.
    pub(super) fn echo(&mut self, said: &Content, range: Range<usize>) -> Result<()> {
        let mut echoes: Vec<Echo> = range.clone().map(|_| Echo::default()).collect();
        let mut left = 2 * range.len();
        for place in 0..range.len() {
            let session = &mut self.sessions[range.start + place];
            let message = session.place.say(said).to_vec();
            let send = Op::send(session.socket, message);
            self.driver.submit(send, token::of(token::SEND, place)).map_err(|refused| refused.error)?;
            self.receive(range.start + place, place, vec![0; said.message])?;
        }
        while left > 0 {
            self.turn(STALLED, |ring| range.clone().find(|index| ring.sessions[*index].place.under_way() > 0))?;
            while let Some(completion) = self.driver.next() {
                let (kind, place) = token::parts(completion.token);
                let index = range.start + place;
                let buffer = completion.buf.and_then(|buf| buf.take::<Vec<u8>>().ok()).unwrap_or_default();
                match completion.result.with_context(|| self.describe(index))? {
                    Outcome::Received(0) => bail!("server closed {}", self.describe(index)),
                    Outcome::Received(count) => {
                        let answers = echoes[place].received(said, self.sessions[index].place, &buffer[..count]);
                        self.sessions[index].place.answered += answers.with_context(|| self.describe(index))?;
                        if self.sessions[index].place.under_way() > 0 {
                            self.receive(index, place, buffer)?;
                            continue;
                        }
                    }
                    _ if kind == token::SEND => {}
                    other => bail!("{}: {other:?}", self.describe(index)),
                }
                left -= 1;
            }
        }
        Ok(())
    }

    /// Waits for the end of each of these sessions, and closes it. Returns how many the server
    /// ended gracefully; it has reset the others.
    pub(super) fn leave(&mut self, range: Range<usize>) -> Result<usize> {
        let (mut left, mut whole) = (range.len(), 0);
        for index in range {
            self.receive(index, index, vec![0; 1])?;
        }
        while left > 0 {
            self.turn(ENDS_WITHIN, |_| None)?;
            while let Some(completion) = self.driver.next() {
                let (kind, index) = token::parts(completion.token);
                if kind == token::CLOSE {
                    left -= 1;
                    continue;
                }
                match completion.result {
                    Ok(Outcome::Received(0)) => whole += 1,
                    Err(error) if error.kind() == ErrorKind::Reset => {}
                    Ok(other) => bail!("{}: {other:?} where its end was awaited", self.describe(index)),
                    Err(error) => return Err(error).with_context(|| self.describe(index)),
                }
                let close = Op::close(self.sessions[index].socket, CloseMode::Now);
                self.driver.submit(close, token::of(token::CLOSE, index)).map_err(|refused| refused.error)?;
            }
        }
        Ok(whole)
    }

    fn receive(&mut self, index: usize, place: usize, buffer: Vec<u8>) -> Result<()> {
        let receive = Op::recv(self.sessions[index].socket, buffer);
        self.driver.submit(receive, token::of(token::RECEIVE, place)).map_err(|refused| refused.error)?;
        Ok(())
    }

    /// Waits for something. `waiting` finds the first session that has had no answer.
    fn turn(&mut self, patience: Duration, waiting: impl Fn(&Ring) -> Option<usize>) -> Result<()> {
        let before = self.driver.now();
        self.driver.turn(Wait::For(patience))?;
        if self.driver.now() - before < patience {
            return Ok(());
        }
        match waiting(self) {
            Some(index) => bail!("no answer for {patience:?} on {}", self.describe(index)),
            None => bail!("nothing for {patience:?}, {} sessions wait on this driver", self.sessions.len()),
        }
    }

    fn describe(&self, index: usize) -> String {
        let answered = self.sessions[index].place.answered;
        format!("session {}, whose messages echoed so far are {answered}", self.first + index)
    }
}
