//! All that is on a simulated network: the shards of the server and the clients of the test.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use overlapped::driver::Wait;
use overlapped::{Time, sim::Network};

use super::clients::Clients;
use crate::cluster::{ClusterNode, simulated::SimulatedBus};
use crate::error::ServerError;
use crate::handler::Handler;
use crate::server::Handle;
use crate::shard::Shard;

/// The shards of a server, whatever its logic.
pub(super) trait Turns {
    /// Turns every shard once, in an order drawn from the network's seed.
    fn turn(&mut self, network: &Network) -> Result<bool, ServerError>;

    /// The earliest deadline of a shard after this moment.
    fn deadline_after(&self, now: Time) -> Option<Time>;
}

impl<H: Handler> Turns for Vec<Shard<H>> {
    fn turn(&mut self, network: &Network) -> Result<bool, ServerError> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, (network.random() % (last as u64 + 1)) as usize);
        }
        let mut busy = false;
        for index in order {
            busy |= self[index].turn_within(Wait::Poll)?;
            let deadline = self[index].deadline();
            self[index].rest(deadline);
        }
        Ok(busy)
    }

    fn deadline_after(&self, now: Time) -> Option<Time> {
        self.iter().filter_map(Shard::deadline).filter(|deadline| *deadline > now).min()
    }
}

/// Shared by the simulation and its clients.
pub(super) struct World {
    pub(super) network: Network,
    shards: Rc<RefCell<dyn Turns>>,
    pub(super) handle: Handle,
    /// Made with the first client, for a host on the network draws from the seed.
    clients: RefCell<Option<Clients>>,
    /// What is between it and other servers on the network.
    bus: Option<Arc<SimulatedBus>>,
    /// How long a client waits for what it expects.
    pub(super) patience: RefCell<Duration>,
}

impl World {
    pub(super) fn new(
        network: &Network,
        shards: Rc<RefCell<dyn Turns>>,
        handle: Handle,
        node: Option<&ClusterNode>,
    ) -> World {
        World {
            network: network.clone(),
            shards,
            handle,
            clients: RefCell::default(),
            bus: node.and_then(|node| node.simulated().cloned()),
            patience: RefCell::new(Duration::from_secs(10)),
        }
    }

    /// The clients of the test.
    pub(super) fn clients(&self) -> RefMut<'_, Clients> {
        RefMut::map(self.clients.borrow_mut(), |clients| clients.get_or_insert_with(|| Clients::new(&self.network)))
    }

    /// Turns every shard and the clients once. Says whether anything happened.
    pub(super) fn turn(&self) -> Result<bool, ServerError> {
        let before = self.network.trace();
        let came = self.bus.as_ref().is_some_and(|bus| bus.turn());
        let turned = self.shards.borrow_mut().turn(&self.network);
        let busy = turned.inspect_err(|_| self.handle.stop())?;
        if let Some(clients) = &mut *self.clients.borrow_mut() {
            clients.turn();
        }
        Ok(came || busy || self.network.trace() != before)
    }

    /// Turns everything until `done`, or until nobody has anything left to do before `until`. Then
    /// the clock has reached that. Says whether it was done.
    pub(super) fn run_until(&self, until: Time, mut done: impl FnMut(&World) -> bool) -> Result<bool, ServerError> {
        loop {
            let busy = self.turn()?;
            if done(self) {
                return Ok(true);
            }
            if !busy && !self.advance(Some(until)) {
                return Ok(false);
            }
        }
    }

    /// Moves the clock to the next event of the network or deadline of a shard, or to `until`.
    /// `false` if there is none of these.
    pub(super) fn advance(&self, until: Option<Time>) -> bool {
        let deadline = self.shards.borrow().deadline_after(self.network.now());
        let of_bus = self.bus.as_ref().and_then(|bus| bus.deadline());
        match deadline.into_iter().chain(of_bus).chain(until).min() {
            Some(limit) => self.network.advance_to(limit),
            None => self.network.advance(),
        }
    }

    /// Ends a test whose expectation was not met.
    #[track_caller]
    pub(super) fn fail(&self, what: &str) -> ! {
        let (at, seed) = (self.network.now().since(Time::ZERO), self.network.seed());
        panic!("{what} (at {at:?} of simulated time; seed {seed} gives this run again)")
    }
}
