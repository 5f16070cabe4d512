//! Runs a message load: sends what it has, gives it what comes back, until the window is over and
//! every answer is there.

use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use overlapped::driver::Wait;
use overlapped::{Driver, DriverConfig};

use super::measurement::Measurement;
use super::setup::STALLED;
use super::window::Window;
use crate::connections::{Connections, Happened};

/// Bytes appended to one send.
const SEND_BYTES: usize = 256 * 1024;

/// What is sent and what has to come back. Knows no socket.
pub(super) trait Load {
    /// Messages are due by the clock, so waiting for answers must not delay them.
    const PACED: bool = false;

    /// The load begins now.
    fn start(&mut self, now: Instant);

    /// Bytes that can be sent on this connection now.
    fn unsent(&self, connection: usize) -> &[u8];
    /// This many of them are on their way.
    fn sent(&mut self, connection: usize, count: usize);

    /// Checks what came back.
    fn received(&mut self, connection: usize, bytes: &[u8], now: Instant, window: &mut Window) -> Result<()>;

    /// Connections that have something to send although nothing was received on them.
    fn other_senders(&mut self, _now: Instant, _window: &Window, _senders: &mut Vec<usize>) {}

    /// Whether every answer is there. Asked only after the window.
    fn is_quiet(&self) -> bool;

    fn describe(&self, connection: usize) -> String;
    fn describe_outstanding(&self) -> String;
}

pub(super) fn run(sockets: Vec<TcpStream>, load: &mut impl Load, window: Window) -> Result<Measurement> {
    let driver = Driver::new(DriverConfig::new()).context("setting up the load generator")?;
    let mut connections = Connections::new(driver, sockets.len());
    for (index, socket) in sockets.into_iter().enumerate() {
        connections.adopt(index, socket.into()).with_context(|| load.describe(index))?;
    }
    Loop { connections, load }.run(window)
}

struct Loop<'a, L> {
    connections: Connections,
    load: &'a mut L,
}

impl<L: Load> Loop<'_, L> {
    fn run(mut self, mut window: Window) -> Result<Measurement> {
        window.start();
        self.load.start(Instant::now());
        for index in 0..self.connections.len() {
            self.append(index);
        }
        self.flush()?;
        let mut senders = Vec::new();
        let mut heard = Instant::now();
        while !(window.is_over() && self.load.is_quiet()) {
            self.connections.turn(if L::PACED { Wait::Poll } else { Wait::For(STALLED) })?;
            if self.take_events(&mut window)? {
                heard = Instant::now();
            } else if heard.elapsed() > STALLED {
                bail!("no answer for {STALLED:?}: {}", self.load.describe_outstanding());
            }
            self.load.other_senders(Instant::now(), &window, &mut senders);
            for index in senders.drain(..) {
                self.append(index);
            }
            self.flush()?;
            window.advance()?;
        }
        window.into_measurement().context("the connections ended before the window did")
    }

    /// Returns whether anything was received.
    fn take_events(&mut self, window: &mut Window) -> Result<bool> {
        let mut received = false;
        while let Some((index, happened)) = self.connections.next() {
            match happened {
                Happened::Received(packet) => {
                    received = true;
                    self.load.received(index, &packet, Instant::now(), window)?;
                }
                Happened::Ended => bail!("the server closed the connection: {}", self.load.describe(index)),
                Happened::Failed(error) | Happened::Connected(Err(error)) => {
                    return Err(error).with_context(|| self.load.describe(index));
                }
                Happened::Sent | Happened::Connected(Ok(())) => {}
            }
            self.append(index);
        }
        Ok(received)
    }

    /// Appends what can be sent, unless a send is in flight; its end brings the rest.
    fn append(&mut self, index: usize) {
        if !self.connections.is_drained(index) {
            return;
        }
        loop {
            let unsent = self.load.unsent(index);
            if unsent.is_empty() {
                return;
            }
            let out = self.connections.out(index);
            let count = unsent.len().min(SEND_BYTES.saturating_sub(out.len()));
            if count == 0 {
                return;
            }
            out.extend_from_slice(&unsent[..count]);
            self.load.sent(index, count);
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self.connections.flush().into_iter().next() {
            Some((index, error)) => Err(error).with_context(|| self.load.describe(index)),
            None => Ok(()),
        }
    }
}
