//! All sessions of a process that holds some: as many drivers as they need.
//!
//! With direct descriptors the limit of open files counts none of them, and one process on one
//! thread holds a million. Where there are none, a process holds as many as that limit allows.

use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use overlapped::ErrorKind;

use super::ring::{BATCH, Ring};
use crate::workload::affinity;
use crate::workload::content::Content;
use crate::workload::dial::{Dialer, check_addresses};

/// Descriptors of a process that are not sessions: the ring of each driver, what it is woken by,
/// the connection that is being made.
const OTHER_DESCRIPTORS: usize = 512;
/// Drivers of one process.
const MOST_RINGS: usize = 120;

pub(super) struct Crowd {
    dialer: Dialer,
    said: Content,
    rings: Vec<Ring>,
    /// Whether sessions are direct descriptors.
    direct: bool,
    /// Sessions of one driver.
    each: usize,
    most_rings: usize,
}

impl Crowd {
    pub(super) fn new(dialer: Dialer, said: Content) -> Result<Crowd> {
        let each = affinity::descriptor_limit()?.saturating_sub(OTHER_DESCRIPTORS);
        ensure!(each > 0, "the limit of open files leaves none for sessions");
        let direct = match Ring::new(1, 0, true) {
            Ok(_) => true,
            // No io_uring here, or one without tables.
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::NotPermitted) => false,
            Err(error) => return Err(error).context("setting up a driver for sessions"),
        };
        let most_rings = if direct { MOST_RINGS } else { 1 };
        Ok(Crowd { dialer, said, rings: Vec::new(), direct, each, most_rings })
    }

    pub(super) fn len(&self) -> usize {
        self.rings.iter().map(Ring::len).sum()
    }

    /// Adds so many sessions, or as many as there is room for, and has each echo a message.
    pub(super) fn grow(&mut self, count: usize) -> Result<()> {
        let end = self.len() + count;
        check_addresses(end)?;
        while self.len() < end {
            if self.rings.last().is_none_or(|ring| ring.room() == 0) {
                if self.rings.len() == self.most_rings {
                    return Ok(());
                }
                let held = self.len();
                let ring = Ring::new(self.each, held, self.direct);
                self.rings.push(ring.with_context(|| format!("a driver for more than {held} sessions"))?);
            }
            let first = self.len();
            let ring = self.rings.last_mut().expect("one was added if there was none with room");
            let begin = ring.len();
            let batch = BATCH.min(end - first).min(ring.room());
            for number in first..first + batch {
                let stream: TcpStream = self.dialer.dial(number)?;
                ring.add(&self.said, stream)?;
            }
            ensure!(
                !self.direct || ring.direct() == ring.len(),
                "the table of a ring has taken only {} of {} sessions",
                ring.direct(),
                ring.len()
            );
            ring.echo(&self.said, begin..begin + batch)?;
        }
        Ok(())
    }

    /// Has all sessions echo another message.
    pub(super) fn echo(&mut self) -> Result<()> {
        let said = &self.said;
        self.rings.iter_mut().try_for_each(|ring| {
            let len = ring.len();
            (0..len).step_by(BATCH).try_for_each(|begin| ring.echo(said, begin..len.min(begin + BATCH)))
        })
    }

    /// Waits for the end of all sessions, and closes them. Returns how many the server ended in
    /// order; it has reset the others.
    pub(super) fn leave(&mut self) -> Result<usize> {
        let mut whole = 0;
        for mut ring in self.rings.drain(..) {
            for begin in (0..ring.len()).step_by(BATCH) {
                whole += ring.leave(begin..ring.len().min(begin + BATCH))?;
            }
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
    use std::thread;

    use super::*;

    /// Echoes on any number of sessions, and changes the byte at this place of everything. After
    /// `messages` it ends a session's stream.
    fn server(change: Option<usize>, messages: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                thread::spawn(move || {
                    let mut buffer = [0; 256];
                    for _ in 0..messages {
                        let Ok(count @ 1..) = socket.read(&mut buffer) else { return };
                        if let Some(place) = change {
                            buffer[place] ^= 1;
                        }
                        // Two pieces, so that an answer does not always come whole.
                        let (front, back) = buffer[..count].split_at(count / 2);
                        socket.write_all(front).unwrap();
                        socket.write_all(back).unwrap();
                    }
                    socket.shutdown(Shutdown::Write).unwrap();
                    _ = socket.read(&mut buffer);
                });
            }
        });
        address
    }

    fn crowd(server: SocketAddr, source: u8) -> Crowd {
        let dialer = Dialer { server, source: Ipv4Addr::new(127, 0, source, 1) };
        Crowd::new(dialer, Content::random(40, false, 1)).unwrap()
    }

    #[test]
    fn sessions_are_added_speak_again_and_leave() {
        let mut crowd = crowd(server(None, 2), 211);
        crowd.each = 6;
        crowd.grow(5).unwrap();
        crowd.grow(3).unwrap();
        assert_eq!(crowd.len(), if crowd.direct { 8 } else { 6 });
        crowd.echo().unwrap();
        let held = crowd.len();
        assert_eq!(crowd.leave().unwrap(), held);
    }

    #[test]
    fn a_process_takes_no_more_than_it_has_room_for() {
        let mut crowd = crowd(server(None, 9), 212);
        (crowd.each, crowd.most_rings) = (3, 2);
        crowd.grow(10).unwrap();
        assert_eq!(crowd.len(), 6);
        crowd.echo().unwrap();
    }

    #[test]
    fn a_wrong_byte_and_an_end_are_errors() {
        let error = format!("{:#}", crowd(server(Some(9), 9), 213).grow(2).unwrap_err());
        assert!(error.contains("session ") && error.contains("byte 9 of 40"), "{error}");
        let mut crowd = crowd(server(None, 1), 214);
        crowd.grow(2).unwrap();
        let error = format!("{:#}", crowd.echo().unwrap_err());
        assert!(error.contains("server closed session") && error.contains("echoed so far are 1"), "{error}");
    }
}
