//! What all shards of a server share: how to reach each other, what they can be told, the phase
//! that they are in, and what is counted for all.

use std::any::Any;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use overlapped::driver::{Stream, WakeHandle};
use overlapped::mailbox::{MailError, Sender};
use overlapped::resolve::{Found, Resolver};
use overlapped::{Address, Time, table::Key};

use super::inboxes::{Inboxes, Ticket};
use super::listeners::ListenerInfo;
use super::listing::Job;
use crate::cluster::directory::KeyDirectory;
use crate::cluster::{mail::NodeMail, node::Node};
use crate::connect::{ConnectError, ConnectFailure, Target};
use crate::error::{SendError, ServerError};
use crate::flight::{Flight, FlightKind, Recorder};
use crate::group::presence::{PresenceHub, hub::Hub};
use crate::group::{Group, domain::Domain, local::LocalGroup, names::GroupNames};
use crate::limits::{Admission, AdmissionLimits, Permit, Rates, Refusal};
use crate::meter::{Meter, ShardMeter};
use crate::registry::keys::{IdentifyError, Keys};
use crate::resume::{handover::HandOvers, token::Mint};
use crate::server::Stats;
use crate::server::drain_options::DrainOptions;
use crate::session::away::returning::Returning;
use crate::session::id::SessionId;
use crate::session::reason::CloseReason;
#[cfg(feature = "websocket")]
use crate::websocket::MessageKind;

/// How to reach one shard.
pub(crate) struct ShardEntry {
    inbox: Sender<Mail>,
    wake: WakeHandle,
    /// Sessions it has, or is about to be handed.
    load: AtomicUsize,
    inboxes: Inboxes,
    meter: Meter,
    flight: Flight,
}

impl ShardEntry {
    /// `most_messages` may wait for one session.
    pub(crate) fn new(
        inbox: Sender<Mail>,
        wake: WakeHandle,
        most_messages: usize,
        meter: Meter,
        flight: Flight,
    ) -> ShardEntry {
        ShardEntry { inbox, wake, load: AtomicUsize::new(0), inboxes: Inboxes::new(most_messages), meter, flight }
    }

    pub(crate) fn wake_handle(&self) -> WakeHandle {
        self.wake.clone()
    }

    pub(crate) fn inbox(&self) -> Sender<Mail> {
        self.inbox.clone()
    }
}

pub(crate) struct Directory {
    shards: Vec<ShardEntry>,
    phase: SharedPhase,
    /// How it is drained, once it is.
    drain: Mutex<DrainOptions>,
    pub(crate) admission: Admission,
    /// Sessions that the shards have sockets for.
    pub(crate) most_accepted: usize,
    /// Admits outbound sessions, and those that are being connected.
    outbound: Admission,
    /// Looks up names. A simulated network has none.
    pub(crate) resolver: Option<Arc<Resolver>>,
    stats: Mutex<Stats>,
    pub(crate) domain: Arc<Domain>,
    pub(crate) groups: GroupNames,
    /// Groups that are watched.
    pub(crate) presence: Arc<PresenceHub>,
    /// If the server is a node of a cluster.
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) keys: Keys,
    /// Sessions whose connection is gone.
    pub(crate) away: Arc<AtomicUsize>,
    /// Makes the tokens by which they are asked for.
    pub(crate) mint: Mint,
    /// Those that came from other nodes, or went there.
    pub(crate) hand_overs: HandOvers,
    /// Lists of sessions that are being made.
    pub(crate) lists: Arc<AtomicUsize>,
    /// What the logic can learn of each listener.
    pub(crate) listeners: Box<[ListenerInfo]>,
    /// When the server was made.
    pub(super) began: Time,
}

impl Directory {
    pub(crate) fn new(
        shards: Vec<ShardEntry>,
        (admission, most_accepted, outbound): (Admission, usize, AdmissionLimits),
        resolver: Option<Resolver>,
        domain: Domain,
        listeners: Vec<ListenerInfo>,
        began: Time,
    ) -> Directory {
        let presence = Arc::new(Hub::new(shards.iter().map(ShardEntry::wake_handle)));
        Directory {
            shards,
            presence,
            phase: SharedPhase::new(),
            drain: Mutex::new(DrainOptions::new(Duration::ZERO)),
            admission,
            most_accepted,
            outbound: Admission::new(outbound),
            resolver: resolver.map(Arc::new),
            stats: Mutex::default(),
            groups: GroupNames::default(),
            domain: Arc::new(domain),
            node: None,
            keys: Keys::default(),
            away: Arc::default(),
            mint: Mint::new(),
            hand_overs: HandOvers::default(),
            lists: Arc::default(),
            listeners: listeners.into(),
            began,
        }
    }

    /// As the directory of a cluster's node, if it is one.
    pub(crate) fn of_node(self, node: Option<Arc<Node>>) -> Directory {
        let groups = GroupNames::new(node.as_ref(), &self.domain);
        let mint = node.as_ref().map_or(self.mint, |node| Mint::of_number(node.ledger.number));
        Directory { groups, node, mint, ..self }
    }

    /// The keys of sessions in the cluster, if they are the cluster's.
    pub(crate) fn key_directory(&self) -> Option<&KeyDirectory> {
        self.node.as_ref()?.directory.as_ref()
    }

    /// The counts, to be added to. [`Directory::snapshot`] has all of them. What is counted
    /// elsewhere too is counted there first, so that who sees it here sees it there.
    pub(crate) fn stats(&self) -> MutexGuard<'_, Stats> {
        // Nothing that holds it can panic half-way.
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts, with those that admission keeps.
    pub(crate) fn snapshot(&self) -> Stats {
        let (sessions, handshakes) = self.admission.sessions();
        let mut stats = self.stats().clone();
        (stats.sessions, stats.handshakes) = (sessions, handshakes);
        stats.outbound = self.outbound.sessions().0;
        stats
    }

    /// Packets of a listener's session were dropped because its peer took too little.
    pub(crate) fn count_dropped(&self, id: SessionId, listener: u8, packets: u64) {
        if packets > 0 {
            if let Some(meter) = self.meter(id.shard()) {
                meter.of(listener).droppings.add(1);
                meter.of(listener).dropped.add(packets);
            }
            if let Some(flight) = self.flight(id.shard()) {
                flight.record(Some(id), FlightKind::Dropped { packets });
            }
            self.stats().dropped += packets;
        }
    }

    /// A connection of a listener was refused by a shard.
    pub(crate) fn count_refused(&self, shard: u16, listener: u8, refusal: Refusal) {
        if let Some(meter) = self.meter(shard) {
            meter.of(listener).count_refused(refusal);
        }
        if let Some(flight) = self.flight(shard) {
            flight.record_at(None, listener, FlightKind::Refused(refusal));
        }
        self.stats().count_refused(refusal);
    }

    /// An outbound connection of a shard became a session.
    pub(crate) fn count_connected(&self, shard: u16) {
        if let Some(meter) = self.meter(shard) {
            meter.connects.add(1);
        }
        self.stats().connected += 1;
    }

    /// What a shard counts, if the server counts. Only the shard's thread adds to it.
    pub(crate) fn meter(&self, shard: u16) -> Option<&Arc<ShardMeter>> {
        self.shards.get(usize::from(shard))?.meter.as_ref()
    }

    /// The last events of a shard, if the server records them. Only the shard's thread adds to it.
    pub(crate) fn flight(&self, shard: u16) -> Option<&Arc<Recorder>> {
        self.shards.get(usize::from(shard))?.flight.as_ref()
    }

    /// What the shards count, if the server counts.
    #[cfg(feature = "metrics")]
    pub(crate) fn meters(&self) -> impl Iterator<Item = &ShardMeter> {
        self.shards.iter().filter_map(|shard| shard.meter.as_deref())
    }

    /// Whether the server is on a simulated network, which has no names.
    #[cfg(feature = "websocket")]
    pub(crate) fn is_simulated(&self) -> bool {
        self.resolver.is_none()
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Has all shards enter a phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.advance(phase);
        for shard in &self.shards {
            shard.wake.wake();
        }
    }

    /// Has the shards drain. Only the first call says how.
    pub(crate) fn drain(&self, options: DrainOptions) {
        {
            let mut drain = self.drain.lock().unwrap_or_else(PoisonError::into_inner);
            if self.phase() == Phase::Running {
                *drain = options;
            }
            self.phase.advance(Phase::Draining);
        }
        self.enter(Phase::Draining);
    }

    pub(crate) fn drain_options(&self) -> DrainOptions {
        *self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is being drained, and what it has accepted is served.
    pub(crate) fn is_handing_over(&self) -> bool {
        self.phase() == Phase::Draining && self.drain_options().hands_over
    }

    pub(crate) fn shard_count(&self) -> u16 {
        self.shards.len() as u16
    }

    /// The shard with the least load.
    pub(crate) fn least_loaded(&self) -> u16 {
        let loads = self.shards.iter().map(|shard| shard.load.load(Ordering::Relaxed)).enumerate();
        let (index, _) = loads.min_by_key(|(_, load)| *load).expect("a server has a shard");
        index as u16
    }

    /// A session, or an attempt to connect, begins on a shard or is about to.
    pub(crate) fn count_in(&self, shard: u16) {
        self.shards[usize::from(shard)].load.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_out(&self, shard: u16) {
        self.shards[usize::from(shard)].load.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn mail(&self, shard: u16, mail: Mail) -> Result<(), MailError<Mail>> {
        match self.shards.get(usize::from(shard)) {
            Some(shard) => shard.inbox.send(mail),
            None => Err(MailError::Closed(mail)),
        }
    }

    pub(crate) fn mail_to_session(&self, id: SessionId, mail: Mail) -> Result<(), SendError> {
        self.mail(id.shard(), mail).map_err(|error| match error {
            MailError::Full(_) => SendError::Full,
            MailError::Closed(_) => SendError::Closed,
        })
    }

    /// Mails a message to a session if there is room. If not, and the sender waits, it is woken
    /// when there may be.
    pub(crate) fn post(
        &self,
        id: SessionId,
        message: Box<dyn Any + Send>,
        waiting: Option<(&mut Ticket, &Waker)>,
    ) -> Result<(), MailError<Box<dyn Any + Send>>> {
        let Some(shard) = self.shards.get(usize::from(id.shard())) else { return Err(MailError::Closed(message)) };
        shard.inboxes.offer(id, message, waiting, |message| {
            let given_back = |mail| match mail {
                Mail::Post { message, .. } => message,
                _ => unreachable!("it is given back"),
            };
            shard.inbox.send(Mail::Post { id, message }).map_err(|error| match error {
                MailError::Full(mail) => MailError::Full(given_back(mail)),
                MailError::Closed(mail) => MailError::Closed(given_back(mail)),
            })
        })
    }

    /// A sender waits no longer.
    pub(crate) fn give_up_post(&self, id: SessionId, ticket: &Ticket) {
        if let Some(shard) = self.shards.get(usize::from(id.shard())) {
            shard.inboxes.give_up(id, ticket);
        }
    }

    /// The counts of a shard's messages.
    pub(crate) fn inboxes(&self, shard: u16) -> &Inboxes {
        &self.shards[usize::from(shard)].inboxes
    }

    /// The inbox of a shard.
    pub(crate) fn inbox(&self, shard: u16) -> Sender<Mail> {
        self.shards[usize::from(shard)].inbox()
    }

    /// Admits an outbound session.
    pub(crate) fn admit_outbound(&self, target: Target) -> Result<(Target, Permit), ConnectError> {
        match self.outbound.admit(None, Time::ZERO) {
            Ok(permit) => Ok((target, permit)),
            Err(_) => {
                let why = format!("{} outbound sessions", self.outbound.sessions().0);
                Err(ConnectError::new(target, ConnectFailure::Limit).because(why))
            }
        }
    }
}

/// What a server, or a shard of it, is doing. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// Nothing is accepted; sessions end when they are idle.
    Draining,
    /// Sessions are closed at once.
    Stopping,
}

/// The phase that the shards of a server are told to enter.
#[derive(Debug)]
pub(crate) struct SharedPhase(AtomicU8);

impl SharedPhase {
    pub(crate) fn new() -> SharedPhase {
        SharedPhase(AtomicU8::new(Phase::Running as u8))
    }

    #[inline]
    pub(crate) fn get(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    /// Enters a phase, unless a later one has begun.
    pub(crate) fn advance(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::AcqRel);
    }
}

/// A connection that has been admitted. Its permit names its listener.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: Address,
    pub(crate) permit: Permit,
}

/// A connection that another thread has asked for.
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) token: u64,
    pub(crate) permit: Permit,
}

/// A message to a shard. `stamp` is the latest one at the moment of the call.
pub(crate) enum Mail {
    /// The connection is counted in the shard's load already.
    Accepted(Accepted),
    Send {
        id: SessionId,
        packet: Bytes,
        stamp: u64,
    },
    /// As a message of a WebSocket.
    #[cfg(feature = "websocket")]
    SendAs {
        id: SessionId,
        kind: MessageKind,
        packet: Bytes,
        stamp: u64,
    },
    SendLatest {
        id: SessionId,
        key: u64,
        packet: Bytes,
        stamp: u64,
    },
    /// One local group for each framing. They have seen nothing later than the stamp.
    Join {
        id: SessionId,
        stamp: u64,
        group: Group,
        locals: Vec<LocalGroup>,
    },
    /// A group is watched from now on.
    CountPresent(Group),
    Leave {
        id: SessionId,
        group: Group,
        stamp: u64,
    },
    Close(SessionId),
    /// The message is of the handler's type.
    Post {
        id: SessionId,
        message: Box<dyn Any + Send>,
    },
    Abort(SessionId),
    /// The key was taken from a session, which is to be closed for this reason.
    KeyTaken {
        id: SessionId,
        key: Bytes,
        reason: CloseReason,
    },
    /// The cluster has answered a login.
    Identified {
        id: SessionId,
        ticket: u64,
        result: Result<(), IdentifyError>,
    },
    List(Job),
    /// A connection asks for a session of the shard.
    Returning(Box<Returning>),
    /// Duplicates of the listeners are wanted.
    Listeners(SyncSender<Result<Vec<Stream>, ServerError>>),
    /// Sessions that begin from now on have these rates.
    Rates(Rates),
    /// The connection is counted in the shard's load already.
    Connect(Box<Wanted>),
    /// The answer to an attempt's lookup.
    Found(Key, Found),
    /// Of another node of the cluster.
    FromNode(NodeMail),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_never_left_for_an_earlier_one() {
        let phase = SharedPhase::new();
        assert_eq!(phase.get(), Phase::Running);
        phase.advance(Phase::Stopping);
        phase.advance(Phase::Draining);
        assert_eq!(phase.get(), Phase::Stopping);
    }
}
