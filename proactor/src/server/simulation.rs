//! A server on a simulated network: all its shards on one thread, turned in an order drawn from the
//! network's seed.

use std::fmt;
use std::sync::Arc;

use overlapped::driver::{Live, Wait};
use overlapped::{Address, Time, report::Report, sim::Network};

use super::{config::Config, handle::Handle};
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
pub struct Simulation<H: Handler> {
    network: Network,
    shards: Vec<Shard<H>>,
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
        let directory = Arc::new(config.directory(arrived));
        let shards = made.into_iter().map(|introduce| introduce(Arc::clone(&directory))).collect();
        let handle = Handle::new(directory);
        Ok(Simulation { network: network.clone(), shards, handle, addresses, report })
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
        self.shards.len()
    }

    /// The server, for any thread.
    pub fn handle(&self) -> Handle<H::Message> {
        self.handle.clone()
    }

    /// What its drivers have in use at this moment, in total.
    pub fn live(&self) -> Live {
        self.shards.iter().map(Shard::live).fold(Live::default(), |all, live| Live {
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
        self.shards.iter().all(Shard::has_ended)
    }

    /// Turns every shard once, in an order drawn from the network's seed. The clock stands still.
    /// Says whether anything happened, on the server or on the network. If not,
    /// [`advance`](Network::advance) the network.
    ///
    /// # Errors
    /// As for [`Server::wait`](crate::Server::wait): a shard that fails ends the server.
    pub fn turn(&mut self) -> Result<bool, ServerError> {
        let before = self.network.trace();
        let mut order: Vec<usize> = (0..self.shards.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, (self.network.random() % (last as u64 + 1)) as usize);
        }
        let mut busy = false;
        for index in order {
            match self.shards[index].turn_within(Wait::Poll) {
                Ok(worked) => {
                    busy |= worked;
                    let deadline = self.shards[index].deadline();
                    self.shards[index].rest(deadline);
                }
                Err(error) => {
                    self.handle.stop();
                    return Err(error);
                }
            }
        }
        Ok(busy || self.network.trace() != before)
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

    /// Turns the server alone until the clock has reached `until`.
    ///
    /// # Errors
    /// As for [`turn`](Simulation::turn).
    pub fn run_until(&mut self, until: Time) -> Result<(), ServerError> {
        while self.turn()? || self.advance(Some(until)) {}
        Ok(())
    }

    /// Moves the clock to the next event of the network, or the deadline of a shard.
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
