//! A server on a simulated network: all its shards on one thread, turned in an order drawn from the network's seed.

use std::fmt;
use std::sync::Arc;

use overlapped::driver::{Live, Wait};
use overlapped::report::Report;
use overlapped::sim::Network;
use overlapped::{Address, Time};

use crate::error::ServerError;
use crate::handle::{Handle, STOPPING};
use crate::handler::Handler;
use crate::server::Builder;
use crate::shard::Shard;

/// A server that is turned instead of running by itself: what [`Builder::simulate`] makes. Its shards are the very ones that a
/// [`Server`](crate::Server) has; only who turns them, and what they stand on, is another.
///
/// With the same seed of the network, the same handler and the same clients on the same network, a run is the same, byte for byte;
/// [`Network::trace`] says so. A handler keeps it so if it asks neither a clock nor a random source of its own nor the iteration order of a `HashMap`.
///
/// Dropping it closes everything at once.
///
/// ```
/// use overlapped::{Driver, DriverConfig, Op};
/// use overlapped::driver::Wait;
/// use overlapped::sim::Network;
/// use proactor::{Flow, Handler, Server, Session};
///
/// #[derive(Clone)]
/// struct Echo;
///
/// impl Handler for Echo {
///     type State = ();
///     fn connected(&mut self, _: &Session) {}
///     fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
///         session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let network = Network::new(1);
/// let mut server = Server::builder().bind("10.0.0.1:7777").shards(2).simulate(&network, Echo)?;
///
/// // A client: a driver on the same network.
/// let mut client = Driver::new(DriverConfig::new().network(network.clone()))?;
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
pub struct Simulation<H: Handler> {
    network: Network,
    shards: Vec<Shard<H>>,
    handle: Handle,
    addresses: Vec<Address>,
    report: Report,
}

impl<H: Handler> Simulation<H> {
    pub(crate) fn new(builder: &Builder, network: &Network, handler: &H) -> Result<Simulation<H>, ServerError> {
        let (mut made, mut arrived) = (Vec::new(), Vec::new());
        for index in 0..builder.shards {
            let (shard, arrival) = builder.make_shard(index, handler.clone())?;
            made.push(shard);
            arrived.push(arrival);
        }
        let (addresses, report) = (arrived[0].addresses.clone(), arrived[0].report.clone());
        let shared = Arc::new(builder.share(arrived));
        let shards = made.into_iter().map(|shard| shard.introduce(Arc::clone(&shared))).collect();
        Ok(Simulation { network: network.clone(), shards, handle: Handle { shared }, addresses, report })
    }

    /// The addresses it listens on, with their real ports, in the order of [`Builder::bind`].
    pub fn local_addrs(&self) -> &[Address] {
        &self.addresses
    }

    /// What it runs on.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How many shards it has.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The server, as other threads have it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What its drivers have in use at this moment, all together.
    pub fn live(&self) -> Live {
        self.shards.iter().map(Shard::live).fold(Live::default(), |all, live| Live {
            operations: all.operations + live.operations,
            buffers: all.buffers + live.buffers,
            sockets: all.sockets + live.sockets,
            direct: all.direct + live.direct,
            packets: all.packets + live.packets,
        })
    }

    /// Whether it was told to [`stop`](Handle::stop) or [`drain`](Handle::drain), and has: every session is closed.
    pub fn has_ended(&self) -> bool {
        self.shards.iter().all(Shard::has_ended)
    }

    /// Turns every shard once, in an order drawn from the network's seed, with what is there for it at this moment; the clock stands still. Says whether anything happened
    /// in that, on the server or on the network: if not, the network has to [`advance`](Network::advance).
    ///
    /// # Errors
    /// As for [`Server::wait`](crate::Server::wait): a shard that has failed takes the server with it.
    pub fn turn(&mut self) -> Result<bool, ServerError> {
        let before = self.network.trace();
        let mut order: Vec<usize> = (0..self.shards.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, (self.network.random() % (last as u64 + 1)) as usize);
        }
        let mut busy = false;
        for index in order {
            match self.shards[index].turn_within(Wait::Poll) {
                Ok(worked) => busy |= worked,
                Err(error) => {
                    self.handle.shared.tell(STOPPING);
                    return Err(error);
                }
            }
        }
        Ok(busy || self.network.trace() != before)
    }

    /// Turns the server and whatever else is on the network, which `others` is to turn without waiting (`Wait::Poll`), and moves the clock when none of them has anything
    /// left to do, until `others` returns `true`. Returns `false` if it never has and nothing is to come any more.
    ///
    /// # Errors
    /// As for [`turn`](Simulation::turn).
    pub fn run(&mut self, mut others: impl FnMut(&Simulation<H>) -> bool) -> Result<bool, ServerError> {
        // What `others` start after their turn shows in the next: only a second round in which nothing happens says that nothing is left to do.
        let mut quiet = 0;
        loop {
            let busy = self.turn()?;
            let before = self.network.trace();
            if others(self) {
                return Ok(true);
            }
            quiet = if busy || self.network.trace() != before { 0 } else { quiet + 1 };
            if quiet == 2 {
                if !self.advance(None) {
                    return Ok(false);
                }
                quiet = 0;
            }
        }
    }

    /// Turns the server, with nobody else to be turned, until the clock has reached `until`.
    ///
    /// # Errors
    /// As for [`turn`](Simulation::turn).
    pub fn run_until(&mut self, until: Time) -> Result<(), ServerError> {
        while self.turn()? || self.advance(Some(until)) {}
        Ok(())
    }

    /// Moves the clock to what happens next, on the network or by the deadline of a shard.
    fn advance(&self, until: Option<Time>) -> bool {
        let now = self.network.now();
        let deadlines = self.shards.iter().filter_map(Shard::deadline).filter(|deadline| *deadline > now);
        match deadlines.chain(until).min() {
            Some(limit) => self.network.advance_to(limit),
            None => self.network.advance(),
        }
    }
}

impl<H: Handler> fmt::Debug for Simulation<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("addresses", &self.addresses).field("shards", &self.shards()).finish()
    }
}

#[cfg(test)]
mod tests;
