//! A server on a simulated network: all its shards on one thread, turned in an order drawn from the
//! network's seed.

mod client;
mod clients;
mod datagrams;
mod world;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use overlapped::address::AddressError;
use overlapped::driver::Live;
use overlapped::{Address, Time, report::Report, sim::Network};

pub use self::client::SimClient;
pub use self::datagrams::SimDatagrams;
use self::world::World;
use super::config::{Config, NewShard};
use super::handle::Handle;
use crate::codec::Codec;
use crate::error::ServerError;
use crate::handler::Handler;
use crate::shard::Shard;

/// A server that you turn instead of threads. [`Builder::simulate`](crate::Builder::simulate) makes
/// it. Its shards are those of a [`Server`](crate::Server); only the thread that turns them and the
/// network are different.
///
/// With the same seed of the network, the same handler and the same clients, a run is the same,
/// byte for byte; [`Network::trace`] tells. The handler must use no clock, no random source of its
/// own, and no iteration order of a `HashMap`.
///
/// Dropping it closes everything at once.
///
/// ```
/// use overlapped::{Driver, DriverConfig, Op};
/// use overlapped::driver::Wait;
/// use overlapped::sim::Network;
/// use proactor::{Flow, Handler, NoMessage, Server, Session};
///
/// #[derive(Clone)]
/// struct Echo;
///
/// impl Handler for Echo {
///     type State = ();
///     type Message = NoMessage;
///     fn connected(&mut self, _: &Session) {}
///     fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
///         session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let network = Network::new(1);
/// let mut server = Server::builder().listen("10.0.0.1:7777").shards(2).simulate(&network, Echo)?;
///
/// // A client: a driver on the same network.
/// let config = DriverConfig::new().network(network.clone());
/// let mut client = Driver::new(config)?;
/// let socket = client.socket(&server.local_addrs()[0])?;
/// client.submit(Op::connect(socket, &server.local_addrs()[0]), 0)?;
/// client.submit(Op::send(socket, b"hello"), 1)?;
/// client.submit(Op::recv_with(socket, vec![0u8; 5], overlapped::driver::Flags::WAIT_ALL), 2)?;
///
/// let mut answer = None;
/// server.run(|_| {
///     client.turn(Wait::Poll).expect("a simulated network does not fail");
///     while let Some(completion) = client.next() {
///         if completion.token == 2 {
///             answer = completion.buf.and_then(|buf| buf.take::<Vec<u8>>().ok());
///         }
///     }
///     answer.is_some()
/// })?;
/// assert_eq!(answer.unwrap(), b"hello");
/// # Ok(())
/// # }
/// ```
///
/// # Testing your logic
///
/// [`client`](Simulation::client) makes a client that sends and expects, and
/// [`advance`](Simulation::advance) lets time pass. No test waits for real time.
///
/// ```
/// use std::time::Duration;
///
/// use proactor::codec::Lines;
/// use proactor::{AsyncSession, Network, SendError, Server, Tasks, Timeouts};
///
/// async fn greet(session: AsyncSession) -> Result<(), SendError> {
///     while let Some(name) = session.next().await {
///         session.send(&[b"hello, ", &name[..]].concat()).await?;
///     }
///     Ok(())
/// }
///
/// let minute = Duration::from_secs(60);
/// let server = Server::builder().listen("10.0.0.1:7777").codec(Lines::new());
/// let server = server.timeouts(Timeouts::new().idle(minute));
/// let sim = server.simulate(&Network::new(1), Tasks::new(greet)).unwrap();
/// let ann = sim.client("10.0.0.1:7777", Lines::new());
/// ann.send("Ann");
/// ann.expect("hello, Ann");
/// sim.advance(minute);
/// ann.expect_closed();
/// ```
pub struct Simulation<H: Handler> {
    world: Rc<World>,
    shards: Rc<RefCell<Vec<Shard<H>>>>,
    handle: Handle<H::Message>,
    addresses: Vec<Address>,
    report: Report,
}

impl<H: Handler> Simulation<H> {
    pub(crate) fn new(config: &Config, network: &Network, handler: &H) -> Result<Simulation<H>, ServerError> {
        let (mut made, mut arrived) = (Vec::new(), Vec::new());
        for index in 0..config.shards {
            let (shard, arrival) = config.make_shard(index, handler.clone())?;
            made.push(shard);
            arrived.push(arrival);
        }
        let (addresses, report) = (arrived[0].addresses.clone(), arrived[0].report.clone());
        let mut ports = std::mem::take(&mut arrived[0].ports).into_iter();
        let directory = config.directory(arrived);
        let introduce = |introduce: NewShard<H>| introduce(Arc::clone(&directory), ports.next().unwrap_or_default());
        let shards: Vec<Shard<H>> = made.into_iter().map(introduce).collect();
        let (shards, handle) = (Rc::new(RefCell::new(shards)), Handle::new(directory));
        let world = Rc::new(World::new(network, shards.clone(), handle.untyped(), config.cluster.as_ref()));
        Ok(Simulation { world, shards, handle, addresses, report })
    }

    /// The addresses it listens on, with their real ports, in the order of
    /// [`Builder::listen`](crate::Builder::listen).
    pub fn local_addrs(&self) -> &[Address] {
        &self.addresses
    }

    /// What it runs on.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How many shards it has.
    pub fn shards(&self) -> usize {
        self.shards.borrow().len()
    }

    /// The server, for any thread.
    pub fn handle(&self) -> Handle<H::Message> {
        self.handle.clone()
    }

    /// What its drivers have in use at this moment, in total.
    pub fn live(&self) -> Live {
        self.shards.borrow().iter().map(Shard::live).fold(Live::default(), |all, live| Live {
            operations: all.operations + live.operations,
            buffers: all.buffers + live.buffers,
            sockets: all.sockets + live.sockets,
            direct: all.direct + live.direct,
            packets: all.packets + live.packets,
        })
    }

    /// Whether it was told to [`stop`](Handle::stop) or [`drain`](Handle::drain) and every session
    /// is closed.
    pub fn has_ended(&self) -> bool {
        self.shards.borrow().iter().all(Shard::has_ended)
    }

    /// Connects a client of the test, with a codec that fits the listener's, and runs until the
    /// server has accepted it: the logic has been told. If the server refuses it by a limit, the
    /// client sees the end; if nobody listens, it is
    /// [refused](SimClient::expect_refused).
    ///
    /// # Panics
    /// The address is none, or the connection was not accepted within the
    /// [patience](Simulation::set_patience).
    #[track_caller]
    pub fn client(
        &self,
        address: impl TryInto<Address, Error: Into<AddressError>>,
        codec: impl Codec + Clone,
    ) -> SimClient {
        match address.try_into().map_err(Into::into) {
            Ok(address) => SimClient::connect(&self.world, address, codec.into_framing()),
            Err(error) => panic!("a client needs an address: {error}"),
        }
    }

    /// A client of the test that sends datagrams to an address, from a port of its own at 127.0.0.1
    /// or `::1`. It has a session when its first datagram has arrived.
    ///
    /// # Panics
    /// The address is none.
    #[track_caller]
    pub fn datagrams(&self, address: impl TryInto<Address, Error: Into<AddressError>>) -> SimDatagrams {
        let server = self.address_of(address);
        let own = if server.ip().is_some_and(|ip| ip.is_ipv6()) { "[::1]:0" } else { "127.0.0.1:0" };
        self.datagrams_from(own, server)
    }

    /// As [`datagrams`](Simulation::datagrams), from an address of its own: any that the network
    /// has, for a test with several of them.
    ///
    /// # Panics
    /// An address is none, or is taken.
    #[track_caller]
    pub fn datagrams_from(
        &self,
        own: impl TryInto<Address, Error: Into<AddressError>>,
        address: impl TryInto<Address, Error: Into<AddressError>>,
    ) -> SimDatagrams {
        let (own, server) = (self.address_of(own), self.address_of(address));
        SimDatagrams::bind(&self.world, &own, server)
    }

    #[track_caller]
    fn address_of(&self, address: impl TryInto<Address, Error: Into<AddressError>>) -> Address {
        address.try_into().map_err(Into::into).unwrap_or_else(|error| panic!("a client needs an address: {error}"))
    }

    /// Lets simulated time pass, and everything happen that happens meanwhile.
    ///
    /// # Panics
    /// A shard fails, which ends the server.
    #[track_caller]
    pub fn advance(&self, time: Duration) {
        let until = self.world.network.now() + time;
        if let Err(error) = self.world.run_until(until, |_| false) {
            self.world.fail(&format!("the server has failed: {error}"));
        }
    }

    /// How much simulated time a client waits for what it expects: 10 seconds, unless this is
    /// called.
    pub fn set_patience(&self, time: Duration) {
        *self.world.patience.borrow_mut() = time;
    }

    /// Turns every shard once, in an order drawn from the network's seed, then its
    /// [clients](Simulation::client). The clock stands still. Says whether anything happened, on
    /// the server or on the network. If not, [`advance`](Network::advance) the network.
    ///
    /// # Errors
    /// As for [`Server::wait`](crate::Server::wait): a shard that fails ends the server.
    pub fn turn(&mut self) -> Result<bool, ServerError> {
        self.world.turn()
    }

    /// Turns the server and everything else on the network until `others` returns `true`. `others`
    /// turns the rest without waiting (`Wait::Poll`). When nobody has anything left to do, the
    /// clock moves on. Returns `false` if nothing more is to come.
    ///
    /// # Errors
    /// As for [`turn`](Simulation::turn).
    pub fn run(&mut self, mut others: impl FnMut(&Simulation<H>) -> bool) -> Result<bool, ServerError> {
        // What `others` start shows in the next turn: only two quiet rounds tell that nothing is
        // left.
        let mut quiet = 0;
        loop {
            let busy = self.turn()?;
            let before = self.world.network.trace();
            if others(self) {
                return Ok(true);
            }
            quiet = if busy || self.world.network.trace() != before { 0 } else { quiet + 1 };
            if quiet == 2 {
                if !self.world.advance(None) {
                    return Ok(false);
                }
                quiet = 0;
            }
        }
    }

    /// Turns the server and its clients until the clock has reached `until`.
    ///
    /// # Errors
    /// As for [`turn`](Simulation::turn).
    pub fn run_until(&mut self, until: Time) -> Result<(), ServerError> {
        self.world.run_until(until, |_| false).map(drop)
    }
}

impl<H: Handler> Drop for Simulation<H> {
    fn drop(&mut self) {
        // Clients may still hold the world. A panic in a shard's turn has let go of the shards.
        let shards = self.shards.try_borrow_mut().map(|mut shards| std::mem::take(&mut *shards));
        drop(shards);
    }
}

impl<H: Handler> fmt::Debug for Simulation<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("addresses", &self.addresses).field("shards", &self.shards()).finish()
    }
}

#[cfg(test)]
mod tests;
