//! The server under test: an echo, or a chat of one room.

use std::time::Duration;

use overlapped::sim::{Network, NetworkConfig};
use overlapped::{Driver, DriverConfig};
use proactor::codec::LengthPrefixed;
use proactor::{Flow, Group, Handler, NoMessage, Server, Session, Simulation};

const ADDRESS: &str = "10.0.0.1:7777";

#[derive(Clone)]
pub(crate) struct Service {
    /// The room, if this is a chat.
    room: Option<Group>,
}

impl Handler for Service {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) {
        if let Some(room) = &self.room {
            session.join(room).expect("a new session can join its first group");
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
}

impl World {
    /// With the driver of the clients.
    pub(crate) fn new(framed: bool, chat: bool) -> (World, Driver) {
        // Without chance, so that what arrives together is handled together.
        let latency = Duration::from_micros(50);
        let wire = NetworkConfig::new()
            .latency(latency, latency)
            .short_sends(0)
            .short_receives(0)
            .early_ends(0)
            .buffer_bytes(256 * 1024);
        let network = Network::with_config(1, wire);
        let service = Service { room: chat.then(Group::new) };
        let builder = Server::builder().listen(ADDRESS).shards(1);
        let builder = if framed { builder.codec(LengthPrefixed::u32()) } else { builder };
        let server = builder.simulate(&network, service).expect("a simulated server starts");
        let config = DriverConfig::new().network(network.clone());
        let clients = Driver::new(config).expect("a driver on the same network");
        (World { server, network, quiet: 0 }, clients)
    }
}
