//! The server under test: an echo, or a chat of one room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use loadgen::tls::Tls as Clients;
use overlapped::driver::{CloseMode, SocketId, Wait};
use overlapped::sim::{Network, NetworkConfig};
use overlapped::{Driver, DriverConfig, Op, Outcome};
use proactor::codec::LengthPrefixed;
use proactor::tls::{Tls, TlsConfig};
use proactor::{Flow, Group, Handler, Limits, Listener, NoMessage, Server, Session, Simulation, Timeouts};

use crate::cluster;

/// Room for those of every series.
const MOST_SESSIONS: usize = 250_000;

const ADDRESS: &str = "10.0.0.1:7777";

#[derive(Clone)]
pub(crate) struct Service {
    /// The room, if this is a chat.
    room: Arc<OnceLock<Group>>,
    /// New members come into groups of their own.
    is_apart: Arc<AtomicBool>,
}

impl Handler for Service {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) {
        if let Some(room) = self.room.get() {
            let room = if self.is_apart.load(Ordering::Relaxed) { Group::new() } else { room.clone() };
            session.join(&room).expect("a new session can join its first group");
        }
    }

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let sent = match self.room.get() {
            Some(room) => room.broadcast_except(session.id(), packet),
            None => session.send(packet),
        };
        sent.map_or(Flow::Close, |()| Flow::Continue)
    }
}

/// What a server over TLS shows, and what its clients speak.
pub(crate) struct Identity {
    server: Tls,
    pub(crate) clients: Clients,
}

impl Identity {
    pub(crate) fn make() -> Result<Identity> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("making a certificate")?;
        let certificate = made.cert.pem();
        let config = TlsConfig::new().certificate_pem(certificate.as_str(), made.signing_key.serialize_pem());
        let clients = Clients::same_for_all(certificate.as_bytes(), "localhost").map_err(Error::msg)?;
        Ok(Identity { server: Tls::new(config)?, clients })
    }
}

pub(crate) struct World {
    pub(crate) server: Simulation<Service>,
    pub(crate) network: Network,
    /// Turns in which nothing happened.
    pub(crate) quiet: u32,
    is_apart: Arc<AtomicBool>,
    idle: Option<Idle>,
}

/// The client of the idle sessions.
struct Idle {
    client: Driver,
    sockets: Vec<SocketId>,
    connected: usize,
    ended: usize,
}

impl Idle {
    /// Says whether anything happened. A session that the server ends is closed.
    fn turn(&mut self) -> Result<bool> {
        self.client.turn(Wait::Poll)?;
        let mut any = false;
        while let Some(completion) = self.client.next() {
            any = true;
            let (token, socket) = (completion.token, self.sockets[completion.token as usize]);
            let next = match completion.result.context("an idle session")? {
                Outcome::Connected => {
                    self.connected += 1;
                    Op::recv(socket, vec![0; 1])
                }
                Outcome::Received(0) => {
                    self.ended += 1;
                    Op::close(socket, CloseMode::Now)
                }
                Outcome::Closed => continue,
                other => bail!("an idle session: {other:?}"),
            };
            self.client.submit(next, token).map_err(|refused| refused.error)?;
        }
        Ok(any)
    }
}

/// Operations of the idle sessions' client.
const MOST_OPERATIONS: usize = 1 << 20;

/// Idle sessions that connect at once.
const BATCH: usize = 500;

impl World {
    /// With the driver of the clients.
    pub(crate) fn new(
        framed: bool,
        chat: bool,
        timeout: Option<Duration>,
        identity: Option<&Identity>,
    ) -> (World, Driver) {
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
        let room = Arc::<OnceLock<Group>>::default();
        let service = Service { room: Arc::clone(&room), is_apart: Arc::clone(&is_apart) };
        let listener = Listener::new(ADDRESS);
        let listener = match identity {
            Some(identity) => listener.tls(&identity.server),
            None => listener,
        };
        let builder = Server::builder().listen(listener).shards(1).limits(Limits::new().sessions(MOST_SESSIONS));
        let builder = match timeout {
            Some(timeout) => builder.timeouts(Timeouts::new().idle(timeout)),
            None => builder,
        };
        let builder = if framed { builder.codec(LengthPrefixed::u32()) } else { builder };
        let builder = builder.metrics(std::env::var_os("METERED").is_some());
        let asked = std::env::var("ROOM").unwrap_or_default();
        let builder = match cluster::named(&asked) {
            Some(cluster) => builder.cluster(cluster.node("one")),
            None => builder,
        };
        let server = builder.simulate(&network, service).expect("a simulated server starts");
        if chat {
            let named = || server.handle().group("room").expect("the first group");
            let _ = room.set(if asked.is_empty() { Group::new() } else { named() });
        }
        let config = DriverConfig::new().network(network.clone());
        let clients = Driver::new(config).expect("a driver on the same network");
        (World { server, network, quiet: 0, is_apart, idle: None }, clients)
    }

    /// Adds sessions that say nothing, in a chat each in a group of its own. `turn` turns the
    /// server.
    pub(crate) fn add_idle(&mut self, sessions: usize, turn: fn(&mut Simulation<Service>) -> bool) -> Result<()> {
        let address = self.server.local_addrs()[0].clone();
        let client = Driver::new(DriverConfig::new().network(self.network.clone()).operations(MOST_OPERATIONS))?;
        let mut idle = Idle { client, sockets: Vec::new(), connected: 0, ended: 0 };
        self.is_apart.store(true, Ordering::Relaxed);
        while idle.connected < sessions {
            if idle.sockets.len() == idle.connected {
                for _ in idle.connected..sessions.min(idle.connected + BATCH) {
                    let socket = idle.client.socket(&address)?;
                    let token = idle.sockets.len() as u64;
                    idle.client.submit(Op::connect(socket, &address), token).map_err(|refused| refused.error)?;
                    idle.sockets.push(socket);
                }
            }
            turn(&mut self.server);
            idle.turn()?;
            _ = self.network.advance();
        }
        while turn(&mut self.server) {}
        self.is_apart.store(false, Ordering::Relaxed);
        self.idle = Some(idle);
        Ok(())
    }

    /// Lets time pass until the server has ended every idle session.
    pub(crate) fn end_idle(&mut self, turn: fn(&mut Simulation<Service>) -> bool) -> Result<()> {
        let mut idle = self.idle.take().context("there are idle sessions")?;
        while idle.ended < idle.sockets.len() {
            let is_busy = turn(&mut self.server) | idle.turn()?;
            if !is_busy {
                _ = self.network.advance();
            }
        }
        while turn(&mut self.server) {}
        Ok(())
    }
}
