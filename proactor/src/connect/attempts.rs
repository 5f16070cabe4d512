//! A shard's attempts to connect: each is one connection that was asked for.
//!
//! The [resolver](Resolver) looks its name up; its addresses run a [race](super::race), each
//! on a socket of its own, a *flight*. The first to connect wins; the others are cancelled and
//! closed. One deadline holds for all of it. The shard fetches the result of an attempt, so nobody
//! is told within a call.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use overlapped::driver::{CloseMode, Completion, OpId, SocketId};
use overlapped::resolve::{Found, Interest, Resolver};
use overlapped::table::{Key, Table};
use overlapped::{Address, Driver, Op, Time, options::StreamOptions};

use super::error::{ConnectError, ConnectFailure, ConnectWaiter, Tried};
use super::race::{Race, Step};
use super::target::{Origin, Target, Where};
use crate::limits::Permit;
use crate::session::id::SessionId;

/// Makes the token of a flight's operations of the flight's slot.
type FlightToken = fn(u32) -> u64;

/// The result of an attempt, for the shard to tell the handler.
pub(crate) enum Ended {
    Connected {
        socket: SocketId,
        peer: Address,
        permit: Permit,
        origin: Origin,
        waiter: Option<Rc<ConnectWaiter>>,
        target: Target,
    },
    Failed {
        opener: Option<SessionId>,
        token: u64,
        error: ConnectError,
        waiter: Option<Rc<ConnectWaiter>>,
    },
}

impl Ended {
    /// The session that asked for the connection, if one did.
    pub(crate) fn opener(&self) -> Option<SessionId> {
        match self {
            Ended::Connected { origin: Origin::Connected { opener, .. }, .. } => *opener,
            Ended::Connected { .. } => None,
            Ended::Failed { opener, .. } => *opener,
        }
    }
}

/// A connection that is asked for, and has its permit.
pub(crate) struct Request {
    pub(crate) target: Target,
    pub(crate) token: u64,
    pub(crate) permit: Permit,
    pub(crate) opener: Option<SessionId>,
    /// A task that waits for it.
    pub(crate) waiter: Option<Rc<ConnectWaiter>>,
}

struct Attempt {
    request: Request,
    deadline: Time,
    /// When it goes on: at the deadline, or when the next address is tried.
    due: Time,
    step: Progress,
    /// The slots of the flights that are connecting.
    flights: Vec<u32>,
    tried: Vec<Tried>,
}

enum Progress {
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
    /// The connect in flight. Without one, the close is in flight.
    connect: Option<OpId>,
    /// `None`: the attempt has ended, and the socket is only to be closed.
    attempt: Option<Key>,
}

/// Sends the answer of a lookup to the shard.
pub(crate) type Answer = Arc<dyn Fn(Key, Found) + Send + Sync>;

pub(crate) struct Attempts {
    attempts: Table<Attempt>,
    flights: Table<Flight>,
    /// When each attempt goes on.
    due: BTreeSet<(Time, Key)>,
    ended: VecDeque<Ended>,
    timeout: Duration,
    stream: StreamOptions,
    /// There is none on a simulated network.
    resolver: Option<Arc<Resolver>>,
    answer: Answer,
    token: FlightToken,
    /// The server is ending: no more begin.
    closed: bool,
    /// Only those of sessions begin.
    draining: bool,
}

impl Attempts {
    pub(crate) fn new(
        timeout: Duration,
        stream: StreamOptions,
        resolver: Option<Arc<Resolver>>,
        answer: Answer,
        token: FlightToken,
    ) -> Attempts {
        Attempts {
            attempts: Table::new(),
            flights: Table::new(),
            due: BTreeSet::new(),
            ended: VecDeque::new(),
            timeout,
            stream,
            resolver,
            answer,
            token,
            closed: false,
            draining: false,
        }
    }

    /// When the first attempt goes on.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(crate) fn pop_ended(&mut self) -> Option<Ended> {
        self.ended.pop_front()
    }

    /// Whether there are attempts, or ends of some to tell of.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        !self.due.is_empty() || !self.ended.is_empty()
    }

    pub(crate) fn ended_count(&self) -> usize {
        self.ended.len()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn begin(&mut self, request: Request, driver: &mut Driver) {
        let deadline = driver.now() + self.timeout;
        let (race, name) = match &request.target.place {
            Where::Address(address) => (Race::new([address.clone()]), None),
            Where::Any(addresses) => (Race::new(addresses.iter().copied().map(Address::from)), None),
            Where::Name(name, port) => (Race::new([]), Some((name.clone(), *port))),
        };
        let key = self.attempts.insert(Attempt {
            request,
            deadline,
            due: deadline,
            step: Progress::Racing(race),
            flights: Vec::new(),
            tried: Vec::new(),
        });
        self.due.insert((deadline, key));
        let is_refused = self.closed
            || self.draining && self.attempts.get(key).is_none_or(|attempt| attempt.request.opener.is_none());
        if is_refused {
            return self.fail(key, ConnectFailure::Ending, None, driver);
        }
        match name {
            None => self.race(key, driver),
            Some((name, port)) => self.look_up(key, &name, port, driver),
        }
    }

    fn look_up(&mut self, key: Key, name: &str, port: u16, driver: &mut Driver) {
        let Some(resolver) = &self.resolver else {
            let why = "a simulated network has no names, only addresses".to_owned();
            return self.fail(key, ConnectFailure::NotFound, Some(why), driver);
        };
        let answer = Arc::clone(&self.answer);
        match resolver.look_up(name, port, move |found| answer(key, found)) {
            Ok(interest) => {
                if let Some(attempt) = self.attempts.get_mut(key) {
                    attempt.step = Progress::LookingUp { _interest: interest };
                }
            }
            Err(error) => self.fail(key, ConnectFailure::Limit, Some(error.to_string()), driver),
        }
    }

    /// A name has been looked up.
    pub(crate) fn found(&mut self, key: Key, found: Found, driver: &mut Driver) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                attempt.step = Progress::Racing(Race::new(addresses.into_iter().map(Address::from)));
                self.race(key, driver);
            }
            Ok(_) => self.fail(key, ConnectFailure::NotFound, None, driver),
            Err(error) => self.fail(key, ConnectFailure::NotFound, Some(error.to_string()), driver),
        }
    }

    /// Does what the race of an attempt asks for.
    fn race(&mut self, key: Key, driver: &mut Driver) {
        let now = driver.now();
        loop {
            let Some(attempt) = self.attempts.get_mut(key) else { return };
            let Progress::Racing(race) = &mut attempt.step else { return };
            let until = match race.step(now) {
                Step::Start(index) => {
                    let address = race.address(index).clone();
                    self.start_flight(key, address, driver);
                    continue;
                }
                Step::WaitUntil(until) => until.min(attempt.deadline),
                Step::Wait => attempt.deadline,
                Step::Lost if attempt.tried.is_empty() => {
                    return self.fail(key, ConnectFailure::NotFound, None, driver);
                }
                Step::Lost => return self.fail(key, ConnectFailure::Failed, None, driver),
            };
            let before = std::mem::replace(&mut attempt.due, until);
            self.due.remove(&(before, key));
            self.due.insert((until, key));
            return;
        }
    }

    fn start_flight(&mut self, key: Key, address: Address, driver: &mut Driver) {
        let token = (self.token)(self.flights.next_key().slot());
        let started =
            driver.socket(&address).and_then(|socket| match driver.submit(Op::connect(socket, &address), token) {
                Ok(connect) => Ok((socket, connect)),
                Err(rejected) => {
                    reset(socket, driver);
                    Err(rejected.error)
                }
            });
        match started {
            Ok((socket, connect)) => {
                let flight = Flight { socket, address, connect: Some(connect), attempt: Some(key) };
                let flight = self.flights.insert(flight).slot();
                if let Some(attempt) = self.attempts.get_mut(key) {
                    attempt.flights.push(flight);
                }
            }
            Err(error) => self.flight_failed(key, address, error, driver.now()),
        }
    }

    fn flight_failed(&mut self, key: Key, address: Address, error: overlapped::Error, now: Time) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        attempt.tried.push(Tried { address, error: Some(error) });
        if let Progress::Racing(race) = &mut attempt.step {
            race.failed(now);
        }
    }

    /// A completion of a flight: it is connected, has failed, or is closed.
    pub(crate) fn completed(&mut self, slot: u32, completion: Completion, driver: &mut Driver) {
        let Some(flight) = self.flights.at_mut(slot) else { return };
        if flight.connect.take() != Some(completion.id) {
            // Whatever its outcome, a close has closed.
            self.flights.remove_at(slot);
            return;
        }
        let (attempt, socket, address) = (flight.attempt.take(), flight.socket, flight.address.clone());
        if let Some(attempt) = attempt.and_then(|key| self.attempts.get_mut(key)) {
            attempt.flights.retain(|flight| *flight != slot);
        }
        let connected = completion.result.and_then(|_| match attempt {
            // They are options of TCP.
            Some(_) if address.ip().is_some() => driver.set_options(socket, &self.stream),
            _ => Ok(()),
        });
        match (attempt, connected) {
            (Some(key), Ok(())) => {
                self.flights.remove_at(slot);
                self.win(key, socket, address, driver);
            }
            (attempt, connected) => {
                self.close_flight(slot, socket, driver);
                if let (Some(key), Err(error)) = (attempt, connected) {
                    self.flight_failed(key, address, error, driver.now());
                    self.race(key, driver);
                }
            }
        }
    }

    fn close_flight(&mut self, slot: u32, socket: SocketId, driver: &mut Driver) {
        if driver.submit(Op::close(socket, CloseMode::Abort), (self.token)(slot)).is_err() {
            self.flights.remove_at(slot);
            reset(socket, driver);
        }
    }

    fn win(&mut self, key: Key, socket: SocketId, address: Address, driver: &mut Driver) {
        let Some(attempt) = self.end(key, driver) else { return };
        let Request { target, token, permit, opener, waiter } = attempt.request;
        let origin = Origin::Connected { token, opener };
        let peer = driver.peer_addr(socket).unwrap_or(address);
        self.ended.push_back(Ended::Connected { socket, peer, permit, origin, waiter, target });
    }

    fn fail(&mut self, key: Key, failure: ConnectFailure, detail: Option<String>, driver: &mut Driver) {
        let Some(attempt) = self.end(key, driver) else { return };
        let Request { target, token, permit, opener, waiter } = attempt.request;
        let error = ConnectError::new(target, failure).after(attempt.tried, detail);
        tracing::debug!("{error}");
        // Its place is free before the handler is told.
        drop(permit);
        self.ended.push_back(Ended::Failed { opener, token, error, waiter });
    }

    /// A connection was made, and its transport has failed.
    pub(crate) fn failed_to_open(
        &mut self,
        opener: Option<SessionId>,
        token: u64,
        error: ConnectError,
        waiter: Option<Rc<ConnectWaiter>>,
    ) {
        tracing::debug!("{error}");
        self.ended.push_back(Ended::Failed { opener, token, error, waiter });
    }

    /// Takes an attempt out of the table, and cancels the flights that it still has.
    fn end(&mut self, key: Key, driver: &mut Driver) -> Option<Attempt> {
        let mut attempt = self.attempts.remove(key)?;
        self.due.remove(&(attempt.due, key));
        for slot in std::mem::take(&mut attempt.flights) {
            let Some(flight) = self.flights.at_mut(slot) else { continue };
            flight.attempt = None;
            attempt.tried.push(Tried { address: flight.address.clone(), error: None });
            if let Some(connect) = flight.connect {
                driver.cancel(connect);
            }
        }
        Some(attempt)
    }

    /// Goes on with the attempts that are due. Says whether there were any.
    pub(crate) fn go_on(&mut self, driver: &mut Driver) -> bool {
        // The clock is read only if there are attempts.
        if self.due.is_empty() {
            return false;
        }
        let now = driver.now();
        let mut any = false;
        while let Some((_, key)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            any = true;
            let Some(attempt) = self.attempts.get(key) else { break };
            if now >= attempt.deadline {
                let is_looking_up = matches!(attempt.step, Progress::LookingUp { .. });
                let detail = is_looking_up.then(|| "to look it up".to_owned());
                self.fail(key, ConnectFailure::TimedOut, detail, driver);
            } else {
                self.race(key, driver);
            }
        }
        any
    }

    /// Ends the attempts that a session has asked for: it closes.
    pub(crate) fn cancel_of(&mut self, opener: SessionId, driver: &mut Driver) {
        let its = self.attempts.iter().filter(|(_, attempt)| attempt.request.opener == Some(opener));
        for key in its.map(|(key, _)| key).collect::<Vec<Key>>() {
            self.fail(key, ConnectFailure::Cancelled, None, driver);
        }
    }

    /// Ends the attempts that no session has asked for, and lets no more of them begin: the server
    /// is being drained.
    pub(crate) fn drain(&mut self, driver: &mut Driver) {
        self.draining = true;
        let unowned = self.attempts.iter().filter(|(_, attempt)| attempt.request.opener.is_none());
        for key in unowned.map(|(key, _)| key).collect::<Vec<Key>>() {
            self.fail(key, ConnectFailure::Ending, None, driver);
        }
    }

    /// Ends all attempts, and lets no more begin: the server ends.
    pub(crate) fn close(&mut self, driver: &mut Driver) {
        self.closed = true;
        for key in self.attempts.iter().map(|(key, _)| key).collect::<Vec<Key>>() {
            self.fail(key, ConnectFailure::Ending, None, driver);
        }
    }

    /// Closes a connection that was made too late to become a session.
    pub(crate) fn close_late(&mut self, socket: SocketId, address: Address, driver: &mut Driver) {
        let flight = Flight { socket, address, connect: None, attempt: None };
        let slot = self.flights.insert(flight).slot();
        self.close_flight(slot, socket, driver);
    }
}

/// Closes a socket on which nothing is in flight, without an operation: the table of operations is
/// full.
pub(crate) fn reset(socket: SocketId, driver: &mut Driver) {
    match driver.release(socket) {
        Ok(stream) => stream.reset_on_drop(),
        Err(error) => tracing::warn!("a connection that is given up is not closed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use overlapped::DriverConfig;
    use overlapped::driver::Wait;
    use overlapped::sim::Network;
    use overlapped::table::Key as SessionKey;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(3);

    fn attempts(network: &Network) -> (Driver, Attempts) {
        let config = DriverConfig::new().network(network.clone());
        let answer: Answer = Arc::new(|_, _| panic!("there is no resolver"));
        let attempts = Attempts::new(TIMEOUT, StreamOptions::new(), None, answer, u64::from);
        (Driver::new(config).unwrap(), attempts)
    }

    fn request(target: &str, opener: Option<SessionId>) -> Request {
        Request { target: target.parse().unwrap(), token: 7, permit: Permit::alone(), opener, waiter: None }
    }

    fn failure(attempts: &mut Attempts) -> ConnectFailure {
        match attempts.pop_ended() {
            Some(Ended::Failed { token: 7, error, .. }) => error.failure(),
            _ => panic!("it has not failed"),
        }
    }

    #[test]
    fn a_connection_that_nobody_accepts_fails_with_the_error_of_its_address() {
        let network = Network::new(1);
        let (mut driver, mut attempts) = attempts(&network);
        attempts.begin(request("10.0.0.9:80", None), &mut driver);
        assert_eq!(attempts.ended_count(), 0, "nobody is told within the call");
        while attempts.ended_count() == 0 {
            driver.turn(Wait::Poll).unwrap();
            while let Some(completion) = driver.next() {
                attempts.completed(completion.token as u32, completion, &mut driver);
            }
            network.advance();
        }
        assert_eq!(failure(&mut attempts), ConnectFailure::Failed);
        assert!(attempts.earliest().is_none());
    }

    #[test]
    fn attempts_end_with_the_session_that_asked_and_none_begins_when_the_server_ends() {
        let network = Network::new(1);
        let (mut driver, mut attempts) = attempts(&network);
        let opener = SessionId::new(0, SessionKey::new(4, 0));
        attempts.begin(request("10.0.0.9:80", Some(opener)), &mut driver);
        attempts.cancel_of(SessionId::new(0, SessionKey::new(4, 1)), &mut driver);
        assert_eq!(attempts.ended_count(), 0, "a later session did not ask for it");
        attempts.cancel_of(opener, &mut driver);
        assert_eq!(failure(&mut attempts), ConnectFailure::Cancelled);
        attempts.close(&mut driver);
        attempts.begin(request("10.0.0.9:80", None), &mut driver);
        assert!(attempts.is_closed());
        assert_eq!(failure(&mut attempts), ConnectFailure::Ending);
    }

    #[test]
    fn a_name_is_not_found_where_there_is_no_resolver() {
        let network = Network::new(1);
        let (mut driver, mut attempts) = attempts(&network);
        attempts.begin(request("example.org:80", None), &mut driver);
        assert_eq!(failure(&mut attempts), ConnectFailure::NotFound);
    }
}
