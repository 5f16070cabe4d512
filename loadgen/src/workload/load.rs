//! Runs a message load: sends what it has, gives it what comes back, until the window is over and
//! every answer is there.

use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, bail, ensure};
use overlapped::buf::PoolConfig;
use overlapped::driver::{CloseMode, Wait};
use overlapped::{Address, Driver, DriverConfig, Time};

use super::affinity;
use super::case::Workload;
use super::dial::{Dialer, check_addresses};
use super::measurement::{Measurement, Offered};
use super::setup::{STALLED, Setup};
use super::window::Window;
use crate::connections::{Connections, Happened};
use crate::tls::{Tls, TlsStream};

/// Bytes appended to one send.
const SEND_BYTES: usize = 256 * 1024;

/// What is sent and what has to come back. Knows no socket.
pub trait Load {
    fn connections(&self) -> usize;

    /// The load begins now.
    fn start(&mut self, now: Time);

    /// Bytes that can be sent on this connection now.
    fn unsent(&self, connection: usize) -> &[u8];
    /// This many of them are on their way.
    fn sent(&mut self, connection: usize, count: usize);

    /// Checks what came back.
    fn received(&mut self, connection: usize, bytes: &[u8], now: Time, window: &mut Window) -> Result<()>;

    /// Connections that have something to send although nothing was received on them.
    fn other_senders(&mut self, _now: Time, _window: &Window, _senders: &mut Vec<usize>) {}

    /// Whether everything due on this connection has come.
    fn is_answered(&self, connection: usize) -> bool;

    fn describe(&self, connection: usize) -> String;

    /// When the next message is due, if that is by the clock. Waiting for answers must not delay
    /// it.
    fn next_due(&self) -> Option<Time> {
        None
    }

    /// Every message has a connection of its own. It is reset when its answer is there, which
    /// leaves nothing behind on either side, so that ports do not run out.
    fn reconnects(&self) -> bool {
        false
    }

    /// How much a load with a rate of its own asked for.
    fn offered(&self) -> Option<Offered> {
        None
    }

    /// A message on a new connection begins.
    fn begin(&mut self, _connection: usize, _now: Time) {}
}

/// Runs a load against a server of another process.
pub(super) fn run(setup: &Setup, load: &mut dyn Load) -> Result<Measurement> {
    let connections = connections_of(load).context("setting up the load generator")?;
    let mut generator = Generator::on(connections, setup.connect.into(), load);
    if !generator.load.reconnects() {
        generator.adopt_all(setup)?;
        if setup.case.workload == Workload::Fanout {
            // A member that enters after a message was said does not hear it.
            setup.let_server_rest()?;
        }
    }
    let mut window = setup.window()?;
    window.start();
    generator.start()?;
    let mut heard = generator.connections.driver().now();
    while !(window.is_over() && generator.unanswered().next().is_none()) {
        let wait = if generator.next_due().is_some() { Wait::Poll } else { Wait::For(STALLED) };
        let received = generator.turn(wait, &mut window)?;
        let now = generator.connections.driver().now();
        if received {
            heard = now;
        } else if now - heard > STALLED {
            let (count, first) = (generator.unanswered().count(), generator.unanswered().next());
            let first = first.map(|index| generator.load.describe(index)).unwrap_or_default();
            bail!("no answer for {STALLED:?}: {count} connections wait, the first of them {first}");
        }
        window.advance()?;
    }
    let measurement = window.into_measurement().context("the connections ended before the window did")?;
    Ok(Measurement { offered: generator.load.offered(), ..measurement })
}

/// Descriptors of the generator that are not connections.
const OTHER_DESCRIPTORS: usize = 64;
/// More connections have no ports at the address that the system chooses.
const FROM_THE_USUAL_ADDRESS: usize = 15_000;
/// Connections made before the server is given time to accept them.
const DIALLED_AT_ONCE: usize = 500;

/// What a load's connections are on: a driver or, for more of them than open files, as many as
/// their tables of direct descriptors make necessary.
fn connections_of(load: &dyn Load) -> Result<Connections> {
    let (connections, room) = (load.connections(), affinity::descriptor_limit()?.saturating_sub(OTHER_DESCRIPTORS));
    if connections <= room {
        return Ok(Connections::new(Driver::new(DriverConfig::new())?, connections));
    }
    ensure!(!load.reconnects(), "at most {room} connections at a time, because each is made anew");
    check_addresses(connections)?;
    let config =
        || DriverConfig::new().direct_descriptors(true).pool(PoolConfig::new().buffers(1024).buffer_bytes(4096));
    let drivers = (0..connections.div_ceil(room)).map(|_| Driver::new(config())).collect::<Result<Vec<_>, _>>();
    let drivers = drivers.with_context(|| {
        format!("{connections} connections, which are more than the limit of {room} open files allows")
    })?;
    Ok(Connections::on(drivers, room, connections))
}

/// A load on its connections.
pub struct Generator<'a> {
    connections: Connections,
    load: &'a mut dyn Load,
    server: Address,
    senders: Vec<usize>,
    /// Connections that it has made.
    pub connected: usize,
}

impl<'a> Generator<'a> {
    pub fn new(driver: Driver, server: Address, load: &'a mut dyn Load) -> Self {
        Self::on(Connections::new(driver, load.connections()), server, load)
    }

    /// Its connections that are made from now on are over this.
    pub fn over(self, tls: Tls) -> Self {
        Self { connections: self.connections.over(Some(tls)), ..self }
    }

    fn on(connections: Connections, server: Address, load: &'a mut dyn Load) -> Self {
        Self { connections, load, server, senders: Vec::new(), connected: 0 }
    }

    /// Makes all connections, and begins to receive on them.
    fn adopt_all(&mut self, setup: &Setup) -> Result<()> {
        let connections = self.load.connections();
        if connections <= FROM_THE_USUAL_ADDRESS && self.connections.drivers() == 1 {
            for (index, (stream, tls)) in setup.connect(connections)?.into_iter().enumerate() {
                self.adopt(index, stream, tls)?;
            }
            return Ok(());
        }
        let is_plain = !setup.case.is_over_websocket() && !setup.case.is_over_tls();
        ensure!(is_plain, "at most {FROM_THE_USUAL_ADDRESS} connections over WebSocket or TLS");
        let dialer = Dialer { server: setup.connect, source: Ipv4Addr::new(127, 1, 0, 1) };
        for index in 0..connections {
            let stream = dialer.dial(index)?;
            stream.set_nodelay(true)?;
            self.adopt(index, stream, None)?;
            // A server whose accept queue is full lets connections wait for a second.
            if index % DIALLED_AT_ONCE == DIALLED_AT_ONCE - 1 {
                setup.let_server_rest()?;
            }
        }
        Ok(())
    }

    fn adopt(&mut self, index: usize, stream: TcpStream, tls: Option<TlsStream>) -> Result<()> {
        self.connections.adopt(index, stream.into(), tls).with_context(|| self.load.describe(index))
    }

    pub fn next_due(&self) -> Option<Time> {
        self.load.next_due()
    }

    /// Connections with something outstanding.
    fn unanswered(&self) -> impl Iterator<Item = usize> {
        (0..self.load.connections()).filter(|&index| !self.load.is_answered(index))
    }

    /// Begins the load on connections that are made, or makes them if each message has its own.
    ///
    /// # Errors
    /// A connection or a send could not be started.
    pub fn start(&mut self) -> Result<()> {
        self.load.start(self.connections.driver().now());
        for index in 0..self.load.connections() {
            match self.load.reconnects() {
                true => self.renew(index)?,
                false => self.append(index),
            }
        }
        self.flush()
    }

    /// Makes a connection for the next message.
    fn renew(&mut self, index: usize) -> Result<()> {
        self.load.begin(index, self.connections.driver().now());
        self.connect(index)
    }

    /// Begins to connect.
    ///
    /// # Errors
    /// The driver takes no more connections.
    pub fn connect(&mut self, index: usize) -> Result<()> {
        self.connections.connect(index, &self.server).with_context(|| self.connecting(index))
    }

    fn connecting(&self, index: usize) -> String {
        format!("connecting to {}: {}", self.server, self.load.describe(index))
    }

    /// Waits, takes what has come, and sends what can be sent. Returns whether anything was
    /// received.
    ///
    /// # Errors
    /// A wrong byte came, or a connection failed.
    pub fn turn(&mut self, wait: Wait, window: &mut Window) -> Result<bool> {
        self.connections.turn(wait)?;
        let mut received = false;
        while let Some((index, happened)) = self.connections.next() {
            received |= matches!(happened, Happened::Received(_));
            self.happened(index, happened, window)?;
        }
        let mut senders = std::mem::take(&mut self.senders);
        self.load.other_senders(self.connections.driver().now(), window, &mut senders);
        senders.drain(..).for_each(|index| self.append(index));
        self.senders = senders;
        self.flush()?;
        Ok(received)
    }

    fn happened(&mut self, index: usize, happened: Happened, window: &mut Window) -> Result<()> {
        match happened {
            Happened::Received(received) => {
                self.load.received(index, &received, self.connections.driver().now(), window)?;
                if self.load.reconnects() && self.load.is_answered(index) {
                    self.connections.close(index, CloseMode::Abort);
                    return Ok(());
                }
            }
            Happened::Closed if !window.is_over() => return self.renew(index),
            Happened::Closed => return Ok(()),
            Happened::Ended => bail!("the server closed the connection: {}", self.load.describe(index)),
            Happened::Connected(Err(error)) => return Err(error).with_context(|| self.connecting(index)),
            Happened::Failed(error) => return Err(error).with_context(|| self.load.describe(index)),
            Happened::TlsFailed(why) => bail!("TLS failed: {why}: {}", self.load.describe(index)),
            Happened::Connected(Ok(())) => self.connected += 1,
            Happened::Sent => {}
        }
        self.append(index);
        Ok(())
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
