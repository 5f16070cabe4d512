//! The server under test: an echo, or a chat of one room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use overlapped::driver::Wait;
use overlapped::sim::{Network, NetworkConfig};
use overlapped::{Driver, DriverConfig, Op, Outcome};
use proactor::codec::LengthPrefixed;
use proactor::{Flow, Group, Handler, Limits, NoMessage, Server, Session, Simulation, Timeouts};

/// Room for those of every series.
const MOST_SESSIONS: usize = 250_000;

const ADDRESS: &str = "10.0.0.1:7777";

#[derive(Clone)]
pub(crate) struct Service {
    /// The room, if this is a chat.
    room: Option<Group>,
    /// New members come into groups of their own.
    is_apart: Arc<AtomicBool>,
}

impl Handler for Service {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) {
        if let Some(room) = &self.room {
            let room = if self.is_apart.load(Ordering::Relaxed) { Group::new() } else { room.clone() };
            session.join(&room).expect("a new session can join its first group");
        }
    }

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let sent = match &self.room {
            Some(room) => room.broadcast_except(session.id(), packet),
            None => session.send(packet),
        };
        sent.map_or(Flow::Close, |()| Flow::Continue)
    }
}

pub(crate) struct World {
    pub(crate) server: Simulation<Service>,
    pub(crate) network: Network,
    /// Turns in which nothing happened.
    pub(crate) quiet: u32,
    is_apart: Arc<AtomicBool>,
    /// The client of the idle sessions.
    idle: Option<Driver>,
}

/// Idle sessions that connect at once.
const BATCH: usize = 500;

impl World {
    /// With the driver of the clients.
    pub(crate) fn new(framed: bool, chat: bool, timeout: Option<Duration>) -> (World, Driver) {
        // Without chance, so that what arrives together is handled together.
        let latency = Duration::from_micros(50);
        let wire = NetworkConfig::new()
            .latency(latency, latency)
            .short_sends(0)
            .short_receives(0)
            .early_ends(0)
            .buffer_bytes(256 * 1024);
        let network = Network::with_config(1, wire);
        let is_apart = Arc::new(AtomicBool::new(false));
        let service = Service { room: chat.then(Group::new), is_apart: Arc::clone(&is_apart) };
        let builder = Server::builder().listen(ADDRESS).shards(1).limits(Limits::new().sessions(MOST_SESSIONS));
        let builder = match timeout {
            Some(timeout) => builder.timeouts(Timeouts::new().idle(timeout)),
            None => builder,
        };
        let builder = if framed { builder.codec(LengthPrefixed::u32()) } else { builder };
        let server = builder.simulate(&network, service).expect("a simulated server starts");
        let config = DriverConfig::new().network(network.clone());
        let clients = Driver::new(config).expect("a driver on the same network");
        (World { server, network, quiet: 0, is_apart, idle: None }, clients)
    }

    /// Adds sessions that say nothing, in a chat each in a group of its own. `turn` turns the
    /// server.
    pub(crate) fn add_idle(&mut self, sessions: usize, turn: fn(&mut Simulation<Service>) -> bool) -> Result<()> {
        let address = self.server.local_addrs()[0].clone();
        let mut client = Driver::new(DriverConfig::new().network(self.network.clone()))?;
        self.is_apart.store(true, Ordering::Relaxed);
        let (mut connected, mut begun) = (0, 0);
        while connected < sessions {
            if begun == connected {
                begun = sessions.min(begun + BATCH);
                for _ in connected..begun {
                    let socket = client.socket(&address)?;
                    client.submit(Op::connect(socket, &address), 0).map_err(|refused| refused.error)?;
                }
            }
            turn(&mut self.server);
            client.turn(Wait::Poll)?;
            while let Some(completion) = client.next() {
                match completion.result.context("an idle session")? {
                    Outcome::Connected => connected += 1,
                    other => bail!("an idle session: {other:?}"),
                }
            }
            _ = self.network.advance();
        }
        while turn(&mut self.server) {}
        self.is_apart.store(false, Ordering::Relaxed);
        self.idle = Some(client);
        Ok(())
    }
}
