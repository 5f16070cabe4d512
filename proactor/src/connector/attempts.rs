//! A shard's attempts: each is one connection that was asked for.
//!
//! Its name is looked up elsewhere ([`resolver`](super::resolver)); its addresses run a race ([`race`](super::race)), each on a socket of its own, a *flight*. The first to connect
//! wins; the others are cancelled and closed. One deadline holds for all of it. What became of it waits to be fetched by the shard, so that nobody is told within
//! a call.

use std::collections::{BTreeSet, VecDeque};
use std::mem::take;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use overlapped::driver::{CloseMode, Completion, OpId, SocketId};
use overlapped::options::StreamOptions;
use overlapped::{Address, Op, Time};

use super::race::{Race, Step};
use super::resolver::{Found, Interest};
use super::target::Where;
use super::{ConnectError, ConnectFailure, Origin, Target, Tried, Wanted};
use crate::handle::{Mail, Shared};
use crate::limits::Permit;
use crate::session::{Core, SessionId, token};
use crate::settings::Settings;
use crate::task::connect::Connecting;

/// Where an attempt is to be found: the generation tells it from a later one in the same place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttemptId {
    slot: u32,
    generation: u32,
}

/// What became of an attempt, for the shard to tell the handler.
pub(crate) enum Ended {
    Connected { socket: SocketId, peer: Address, permit: Permit, origin: Origin, task: Option<Rc<Connecting>> },
    Failed { opener: Option<SessionId>, token: u64, error: ConnectError, task: Option<Rc<Connecting>> },
}

struct Attempt {
    target: Target,
    token: u64,
    opener: Option<SessionId>,
    /// A task that waits for it.
    task: Option<Rc<Connecting>>,
    permit: Permit,
    deadline: Time,
    /// Under which moment it stands among the due ones.
    due: Time,
    stage: Stage,
    /// The sockets that are connecting.
    flights: Vec<u32>,
    tried: Vec<Tried>,
}

enum Stage {
    /// Its name is being looked up, for as long as this is kept.
    LookingUp {
        _interest: Interest,
    },
    Racing(Race),
}

/// One socket on its way to one address.
struct Flight {
    socket: SocketId,
    address: Address,
    /// Until it has ended; what is in flight then is its close.
    connect: Option<OpId>,
    /// Whose it is. `None`: nobody's any more, it is only to be closed.
    attempt: Option<u32>,
}

/// A table whose places are used again.
struct Table<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    const fn new() -> Table<T> {
        Table { places: Vec::new(), free: Vec::new() }
    }

    fn insert(&mut self, value: T) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        self.places[slot as usize] = Some(value);
        slot
    }

    fn get(&mut self, slot: u32) -> Option<&mut T> {
        self.places.get_mut(slot as usize)?.as_mut()
    }

    fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.places.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(value)
    }

    fn slots(&self) -> impl Iterator<Item = (u32, &T)> {
        self.places.iter().enumerate().filter_map(|(slot, value)| Some((slot as u32, value.as_ref()?)))
    }
}

/// A shard's attempts.
pub(crate) struct Connector {
    attempts: Table<Attempt>,
    /// Of each place: how many attempts it has had.
    generations: Vec<u32>,
    flights: Table<Flight>,
    /// When each attempt has to be looked at.
    due: BTreeSet<(Time, u32)>,
    ended: VecDeque<Ended>,
    timeout: Duration,
    stream: StreamOptions,
    /// No more begin: the server is ending.
    closed: bool,
}

impl Connector {
    pub(crate) fn new(settings: &Settings) -> Connector {
        Connector {
            attempts: Table::new(),
            generations: Vec::new(),
            flights: Table::new(),
            due: BTreeSet::new(),
            ended: VecDeque::new(),
            timeout: settings.connect_timeout,
            stream: settings.stream.clone(),
            closed: false,
        }
    }

    /// When the first attempt has to be looked at.
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What became of an attempt.
    pub(crate) fn pop_ended(&mut self) -> Option<Ended> {
        self.ended.pop_front()
    }

    pub(crate) fn ended_count(&self) -> usize {
        self.ended.len()
    }

    pub(crate) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    fn attempt_id(&self, slot: u32) -> AttemptId {
        AttemptId { slot, generation: self.generations[slot as usize] }
    }
}

impl Core {
    /// Begins an attempt, for a session of this shard.
    pub(crate) fn connect_for(
        &mut self,
        opener: SessionId,
        target: Target,
        token: u64,
        task: Option<Rc<Connecting>>,
    ) -> Result<(), ConnectError> {
        if self.open(opener).is_none() || self.connector.closed {
            return Err(ConnectError::new(target, ConnectFailure::Ending));
        }
        let server = Arc::clone(self.delivery.server.as_ref().expect("handlers are called by a shard of a server"));
        let Some(permit) = server.admit_outbound() else {
            return Err(server.too_many_outbound(target));
        };
        server.posts[usize::from(self.shard)].load.fetch_add(1, Ordering::Relaxed);
        if let Some(entry) = self.entry(opener.slot) {
            entry.attempts += 1;
        }
        self.begin_attempt(Some(opener), Wanted { target, token, permit }, task);
        Ok(())
    }

    /// Begins an attempt that has its place, and is counted in the shard's load.
    pub(crate) fn begin_attempt(&mut self, opener: Option<SessionId>, wanted: Wanted, task: Option<Rc<Connecting>>) {
        let Wanted { target, token, permit } = wanted;
        let now = self.driver.now();
        let deadline = now + self.connector.timeout;
        let (stage, name) = match &target.0 {
            Where::Address(address) => (Race::new([address.clone()]), None),
            Where::Any(addresses) => (Race::new(addresses.iter().copied().map(Address::from)), None),
            Where::Name(name, port) => (Race::new([]), Some((name.clone(), *port))),
        };
        let attempt = Attempt {
            target,
            token,
            opener,
            task,
            permit,
            deadline,
            due: deadline,
            stage: Stage::Racing(stage),
            flights: Vec::new(),
            tried: Vec::new(),
        };
        let slot = self.connector.attempts.insert(attempt);
        if self.connector.generations.len() <= slot as usize {
            self.connector.generations.push(0);
        }
        self.connector.due.insert((deadline, slot));
        if self.connector.closed {
            return self.fail(slot, ConnectFailure::Ending, None);
        }
        match name {
            None => self.race(slot),
            Some((name, port)) => self.look_up(slot, &name, port),
        }
    }

    fn look_up(&mut self, slot: u32, name: &str, port: u16) {
        let Some(server) = &self.delivery.server else { return };
        let Some(resolver) = &server.resolver else {
            let why = "a simulated network has no names, only addresses".to_owned();
            return self.fail(slot, ConnectFailure::NotFound, Some(why));
        };
        let (id, mail) = (self.connector.attempt_id(slot), server.posts[usize::from(self.shard)].mail.clone());
        let answer = move |found| {
            // If its mailbox is full or gone, the attempt's time-out ends it, or has.
            let _ = mail.send(Mail::Found(id, found));
        };
        match resolver.look_up(name, port, answer) {
            Ok(interest) => {
                if let Some(attempt) = self.connector.attempts.get(slot) {
                    attempt.stage = Stage::LookingUp { _interest: interest };
                }
            }
            Err(why) => self.fail(slot, ConnectFailure::Limit, Some(why)),
        }
    }

    /// A name has been looked up.
    pub(crate) fn found(&mut self, id: AttemptId, found: Found) {
        if self.connector.generations.get(id.slot as usize) != Some(&id.generation) {
            return;
        }
        let Some(attempt) = self.connector.attempts.get(id.slot) else { return };
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                attempt.stage = Stage::Racing(Race::new(addresses.into_iter().map(Address::from)));
                self.race(id.slot);
            }
            Ok(_) => self.fail(id.slot, ConnectFailure::NotFound, None),
            Err(why) => self.fail(id.slot, ConnectFailure::NotFound, Some(why)),
        }
    }

    /// Does what the race of an attempt asks for.
    fn race(&mut self, slot: u32) {
        let now = self.driver.now();
        loop {
            let Some(attempt) = self.connector.attempts.get(slot) else { return };
            let Stage::Racing(race) = &mut attempt.stage else { return };
            let until = match race.step(now) {
                Step::Start(index) => {
                    let address = race.address(index).clone();
                    self.start_flight(slot, address);
                    continue;
                }
                Step::WaitUntil(until) => until.min(attempt.deadline),
                Step::Wait => attempt.deadline,
                Step::Lost if attempt.tried.is_empty() => return self.fail(slot, ConnectFailure::NotFound, None),
                Step::Lost => return self.fail(slot, ConnectFailure::Failed, None),
            };
            let before = std::mem::replace(&mut attempt.due, until);
            self.connector.due.remove(&(before, slot));
            self.connector.due.insert((until, slot));
            return;
        }
    }

    fn start_flight(&mut self, slot: u32, address: Address) {
        let started = self.driver.socket(&address).and_then(|socket| {
            // The place that the flight will have.
            let flight = self.connector.flights.free.last().copied();
            let flight = flight.unwrap_or(self.connector.flights.places.len() as u32);
            match self.driver.submit(Op::connect(socket, &address), token::of(token::CONNECT, flight)) {
                Ok(connect) => Ok((socket, connect)),
                Err(rejected) => {
                    self.reset_idle(socket);
                    Err(rejected.error)
                }
            }
        });
        match started {
            Ok((socket, connect)) => {
                let flight = self.connector.flights.insert(Flight {
                    socket,
                    address,
                    connect: Some(connect),
                    attempt: Some(slot),
                });
                if let Some(attempt) = self.connector.attempts.get(slot) {
                    attempt.flights.push(flight);
                }
            }
            Err(error) => self.flight_failed(slot, address, error),
        }
    }

    /// Closes a socket on which nothing is in flight, without an operation: the table of operations is full.
    fn reset_idle(&mut self, socket: SocketId) {
        match self.driver.release(socket) {
            Ok(stream) => stream.reset_on_drop(),
            Err(error) => tracing::warn!("a socket that could not be connected is not closed: {error}"),
        }
    }

    fn flight_failed(&mut self, slot: u32, address: Address, error: overlapped::Error) {
        let now = self.driver.now();
        let Some(attempt) = self.connector.attempts.get(slot) else { return };
        attempt.tried.push(Tried { address, error: Some(error) });
        if let Stage::Racing(race) = &mut attempt.stage {
            race.failed(now);
        }
    }

    /// A completion of a flight: it is connected, has failed, or is closed.
    pub(crate) fn flight_completed(&mut self, index: u32, completion: Completion) {
        let Some(flight) = self.connector.flights.get(index) else { return };
        if flight.connect.take() != Some(completion.id) {
            // Whatever its outcome, a close has closed.
            self.connector.flights.remove(index);
            return;
        }
        let (slot, socket, address) = (flight.attempt.take(), flight.socket, flight.address.clone());
        if let Some(attempt) = slot.and_then(|slot| self.connector.attempts.get(slot)) {
            attempt.flights.retain(|flight| *flight != index);
        }
        let error = match (slot, completion.result) {
            (Some(slot), Ok(_)) => match self.driver.set_options(socket, &self.connector.stream) {
                Ok(()) => {
                    self.connector.flights.remove(index);
                    return self.win(slot, socket, address);
                }
                Err(error) => Some((slot, error)),
            },
            (Some(slot), Err(error)) => Some((slot, error)),
            (None, _) => None,
        };
        match self.driver.submit(Op::close(socket, CloseMode::Abort), token::of(token::CONNECT, index)) {
            Ok(_) => {}
            Err(_) => {
                self.connector.flights.remove(index);
                self.reset_idle(socket);
            }
        }
        if let Some((slot, error)) = error {
            self.flight_failed(slot, address, error);
            self.race(slot);
        }
    }

    fn win(&mut self, slot: u32, socket: SocketId, address: Address) {
        let Some(attempt) = self.end_attempt(slot) else { return };
        let origin = Origin::Connected { token: attempt.token, opener: attempt.opener };
        let peer = self.driver.peer_addr(socket).unwrap_or(address);
        let Attempt { permit, task, .. } = attempt;
        self.connector.ended.push_back(Ended::Connected { socket, peer, permit, origin, task });
    }

    fn fail(&mut self, slot: u32, failure: ConnectFailure, detail: Option<String>) {
        let Some(mut attempt) = self.end_attempt(slot) else { return };
        let error = ConnectError { target: attempt.target, failure, detail, tried: take(&mut attempt.tried) };
        tracing::debug!("{error}");
        let (opener, token, task) = (attempt.opener, attempt.token, attempt.task);
        // Its place is free before the handler is told.
        drop(attempt.permit);
        if let Some(server) = &self.delivery.server {
            server.posts[usize::from(self.shard)].load.fetch_sub(1, Ordering::Relaxed);
        }
        self.connector.ended.push_back(Ended::Failed { opener, token, error, task });
    }

    /// Takes an attempt out of the table. The flights that it still has are nobody's.
    fn end_attempt(&mut self, slot: u32) -> Option<Attempt> {
        let mut attempt = self.connector.attempts.remove(slot)?;
        let generation = &mut self.connector.generations[slot as usize];
        *generation = generation.wrapping_add(1);
        self.connector.due.remove(&(attempt.due, slot));
        for index in take(&mut attempt.flights) {
            let Some(flight) = self.connector.flights.get(index) else { continue };
            flight.attempt = None;
            attempt.tried.push(Tried { address: flight.address.clone(), error: None });
            if let Some(connect) = flight.connect {
                self.driver.cancel(connect);
            }
        }
        if let Some(opener) = attempt.opener
            && let Some(entry) = self.entry(opener.slot).filter(|entry| entry.generation == opener.generation)
        {
            entry.attempts -= 1;
        }
        Some(attempt)
    }

    /// Looks at the attempts whose moment has come; says whether there were any.
    pub(crate) fn look_at_attempts(&mut self) -> bool {
        // The clock is read only for those that there are.
        if self.connector.due.is_empty() {
            return false;
        }
        let now = self.driver.now();
        let mut any = false;
        while let Some((_, slot)) = self.connector.due.first().copied().filter(|(at, _)| *at <= now) {
            any = true;
            let Some(attempt) = self.connector.attempts.get(slot) else { break };
            if now >= attempt.deadline {
                let detail = matches!(attempt.stage, Stage::LookingUp { .. }).then(|| "to look it up".to_owned());
                self.fail(slot, ConnectFailure::TimedOut, detail);
            } else {
                self.race(slot);
            }
        }
        any
    }

    /// A session is being closed: nobody waits for what it asked for.
    pub(crate) fn cancel_attempts_of(&mut self, slot: u32) {
        let Some(id) = self.id(slot) else { return };
        if self.entry(slot).is_none_or(|entry| entry.attempts == 0) {
            return;
        }
        let its = self.connector.attempts.slots().filter(|(_, attempt)| attempt.opener == Some(id));
        for attempt in its.map(|(attempt, _)| attempt).collect::<Vec<u32>>() {
            self.fail(attempt, ConnectFailure::Cancelled, None);
        }
    }

    /// The server is ending: what has been begun fails, and no more begins.
    pub(crate) fn close_connector(&mut self) {
        self.connector.closed = true;
        for attempt in self.connector.attempts.slots().map(|(attempt, _)| attempt).collect::<Vec<u32>>() {
            self.fail(attempt, ConnectFailure::Ending, None);
        }
    }

    /// Closes a connection that was made too late to become a session.
    pub(crate) fn close_late(&mut self, socket: SocketId, address: Address) {
        let flight = Flight { socket, address, connect: None, attempt: None };
        let index = self.connector.flights.insert(flight);
        if self.driver.submit(Op::close(socket, CloseMode::Abort), token::of(token::CONNECT, index)).is_err() {
            self.connector.flights.remove(index);
            self.reset_idle(socket);
        }
    }
}

impl Shared {
    pub(super) fn admit_outbound(&self) -> Option<Permit> {
        self.outbound.admit(None, Time::ZERO).ok()
    }

    pub(super) fn too_many_outbound(&self, target: Target) -> ConnectError {
        let why = format!("{} outbound sessions", self.outbound.sessions().0);
        ConnectError::new(target, ConnectFailure::Limit).because(why)
    }
}
