//! A shard's state: a struct of parts. The shard's loop and the files of `session`, `group` and
//! `task` compose the parts; no part knows another's fields.

use std::any::TypeId;
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use overlapped::{Driver, Error, ErrorKind, Op, Time, driver::OpId, options::StreamOptions};

use super::directory::{Directory, Mail};
use super::listeners::Profiles;
use super::listing::Job;
use super::pending::PendingCalls;
use super::timers::LogicTimers;
use crate::connect::Attempts;
use crate::datagrams::ports::Ports;
use crate::flight::Flight;
use crate::group::shard_groups::ShardGroups;
use crate::limits::SessionLimits;
use crate::meter::{Meter, Traffics};
use crate::outbox::{lazy::OutboxStore, memory::SendMemory};
use crate::proxy_protocol::ProxyHeader;
use crate::registry::identities::Identities;
use crate::resume::handover::fetches::Fetches;
use crate::session::away::{returning::Returning, table::Away};
use crate::session::timers::Timers;
use crate::session::{busy::BusyTable, deadlines::Spans, delivery::Endings, drain::Drain, table::Sessions};
use crate::task::executor::Executor;
use crate::transport::table::Transports;

/// What a completion belongs to: a kind in the high byte of its token, and a slot.
pub(crate) mod token {
    pub(crate) const RECEIVE: u64 = 0;
    pub(crate) const SEND: u64 = 1;
    pub(crate) const CLOSE: u64 = 2;
    /// The acceptor's: a listener.
    pub(crate) const ACCEPT: u64 = 3;
    /// The acceptor's: a refused peer is told why.
    pub(crate) const REFUSE: u64 = 4;
    pub(crate) const SHUTDOWN: u64 = 5;
    /// An outbound connection that is being made.
    pub(crate) const CONNECT: u64 = 6;
    /// A connection whose PROXY protocol header is being read.
    pub(crate) const HEADER: u64 = 7;
    /// The receive of a datagram socket.
    pub(crate) const DATAGRAM: u64 = 8;
    /// A send of a datagram socket that waits for room.
    pub(crate) const DATAGRAM_SEND: u64 = 9;
    /// The close of a datagram socket.
    pub(crate) const DATAGRAM_CLOSE: u64 = 10;

    pub(crate) fn of(kind: u64, slot: u32) -> u64 {
        kind << 56 | u64::from(slot)
    }

    pub(crate) fn parts(token: u64) -> (u64, u32) {
        (token >> 56, token as u32)
    }
}

/// Operations that a session can have in flight at once: a receive; a send; where TLS starts in it,
/// one of what was queued before; when it closes, a send of what its groups have and one of the
/// rest, or else a shutdown; its close. A driver with so
/// many operations per socket refuses none. The table of sockets is what fills up, and connections
/// over it are refused.
pub(crate) const OPERATIONS_PER_SOCKET: usize = 6;

/// What a shard is made of, apart from its driver.
#[derive(Clone, Debug)]
pub(crate) struct ShardConfig {
    pub(crate) shard: u16,
    pub(crate) limits: SessionLimits,
    pub(crate) spans: Spans,
    pub(crate) profiles: Profiles,
    pub(crate) connect_timeout: Duration,
    /// Options of outbound connections.
    pub(crate) stream: StreamOptions,
}

/// What a shard shares with the sessions in the hands of its handler and tasks.
pub(crate) struct ShardState {
    pub(crate) driver: Driver,
    pub(crate) shard: u16,
    pub(crate) limits: SessionLimits,
    /// What differs between the listeners.
    pub(crate) profiles: Profiles,
    pub(crate) directory: Arc<Directory>,
    /// What it counts, if the server counts.
    pub(crate) meter: Meter,
    /// Its last events, if the server records them.
    pub(crate) flight: Flight,
    /// The bytes of each session, if the server counts.
    pub(crate) traffics: Traffics,
    pub(crate) sessions: Sessions,
    /// Set when a session is held, closed or paired. Who hands over a burst then looks again at
    /// what it may hand over. Beside the state, so that this is seen without a borrow.
    pub(crate) look_again: Rc<Cell<bool>>,
    pub(crate) groups: ShardGroups,
    pub(crate) timers: Timers,
    pub(crate) outboxes: OutboxStore,
    pub(crate) transports: Transports,
    /// Its datagram sockets, if the server has datagram listeners.
    pub(crate) datagrams: Option<Box<Ports>>,
    /// Numbers the WebSocket connections of the shard.
    #[cfg(feature = "websocket")]
    connections: u64,
    /// The PROXY protocol headers of sessions, by slot.
    pub(crate) proxy_headers: HashMap<u32, Box<ProxyHeader>>,
    pub(crate) send_memory: SendMemory,
    /// Bytes of this turn that were sent before its end.
    pub(crate) sent_early: usize,
    /// Where codecs make frames that are not a header and the packet.
    pub(crate) frame: Vec<u8>,
    pub(crate) attempts: Attempts,
    pub(crate) tasks: Rc<Executor>,
    /// The type of its handler.
    pub(crate) handler: TypeId,
    /// Wakers to call after the borrow of the state ends: a waker may run user code.
    pub(crate) to_wake: Vec<Waker>,
    pub(crate) pending: PendingCalls,
    pub(crate) logic_timers: LogicTimers,
    /// Counts turns.
    pub(crate) turn: u32,
    pub(crate) endings: Endings,
    pub(crate) busy: Rc<BusyTable>,
    pub(crate) identities: Identities,
    pub(crate) listings: VecDeque<Job>,
    pub(crate) drain: Drain,
    /// When the other nodes of the cluster are told how this one is; on its first shard.
    pub(crate) next_tell: Option<Time>,
    /// Its sessions whose connection is gone.
    pub(crate) away: Away,
    /// Sessions of other nodes that connections here wait for.
    pub(crate) fetches: Fetches<Returning>,
}

impl ShardState {
    pub(crate) fn new(
        driver: Driver,
        config: ShardConfig,
        directory: Arc<Directory>,
        tasks: Rc<Executor>,
        handler: TypeId,
    ) -> ShardState {
        let ShardConfig { shard, limits, spans, profiles, connect_timeout, stream } = config;
        let inbox = directory.inbox(shard);
        let answer = move |attempt, found| {
            // If the inbox is full or closed, the attempt's timeout ends it, or has ended it.
            let _ = inbox.send(Mail::Found(attempt, found));
        };
        let attempts = Attempts::new(connect_timeout, stream, directory.resolver.clone(), Arc::new(answer), |slot| {
            token::of(token::CONNECT, slot)
        });
        let next_tell = (shard == 0 && directory.node.is_some()).then(|| driver.now());
        ShardState {
            timers: Timers::new(spans, driver.now()),
            groups: ShardGroups::new(shard, Arc::clone(&directory.domain)),
            driver,
            shard,
            limits,
            profiles,
            meter: directory.meter(shard).cloned(),
            flight: directory.flight(shard).cloned(),
            directory,
            traffics: Traffics::default(),
            sessions: Sessions::new(shard),
            look_again: Rc::default(),
            outboxes: OutboxStore::default(),
            transports: Transports::default(),
            datagrams: None,
            #[cfg(feature = "websocket")]
            connections: 0,
            proxy_headers: HashMap::new(),
            send_memory: SendMemory::default(),
            sent_early: 0,
            frame: Vec::new(),
            attempts,
            tasks,
            handler,
            to_wake: Vec::new(),
            pending: PendingCalls::default(),
            logic_timers: LogicTimers::new(),
            turn: 0,
            endings: Endings::default(),
            busy: Rc::default(),
            identities: Identities::default(),
            listings: VecDeque::new(),
            drain: Drain::default(),
            next_tell,
            away: Away::default(),
            fetches: Fetches::new(shard),
        }
    }

    /// A number that no other WebSocket connection of the server has.
    #[cfg(feature = "websocket")]
    pub(crate) fn next_connection(&mut self) -> u64 {
        self.connections += 1;
        u64::from(self.shard) << 48 | self.connections
    }

    /// When the shard has something to do without being told.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Time> {
        let at = |deadline: Option<Time>| deadline.unwrap_or(Time::MAX);
        let own = at(self.timers.earliest()).min(at(self.logic_timers.earliest()));
        let others = at(self.drain.earliest()).min(at(self.attempts.earliest())).min(at(self.tasks.earliest_timer()));
        let others = others.min(self.fetches.deadline());
        let earliest = Some(own.min(others).min(at(self.next_tell))).filter(|earliest| *earliest != Time::MAX);
        match &self.datagrams {
            None => earliest,
            Some(ports) => {
                let silent = ports.peers.earliest().map(|at| self.timers.unfair(at));
                [earliest, silent, ports.earliest_again()].into_iter().flatten().min()
            }
        }
    }

    /// The turn is over, and the next begins when something happens, or at the deadline.
    pub(crate) fn rest(&mut self, deadline: Option<Time>) {
        let now = self.driver.now();
        self.timers.rest(now, deadline);
    }

    /// As [`submit`].
    #[inline]
    pub(crate) fn submit(&mut self, op: Op, token: u64) -> Option<OpId> {
        submit(&mut self.driver, op, token)
    }
}

/// Starts an operation of a session whose socket is not being closed. There is
/// [room](OPERATIONS_PER_SOCKET) for it; only a driver whose backend has failed refuses it, and
/// then the shard ends.
#[inline]
pub(crate) fn submit(driver: &mut Driver, op: Op, token: u64) -> Option<OpId> {
    driver.submit(op, token).map_err(|refused| log_refusal(&refused.error)).ok()
}

#[cold]
fn log_refusal(error: &Error) {
    debug_assert_ne!(error.kind(), ErrorKind::LimitReached, "there is room");
    tracing::error!("{error}");
}
