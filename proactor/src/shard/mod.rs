//! A shard: one driver, its sessions, and a handler. A value with `turn()`; who calls it is not its
//! business.

pub(crate) mod acceptor;
mod beginning;
pub(crate) mod binding;
pub(crate) mod cluster;
mod datagrams;
pub(crate) mod directory;
mod draining;
mod errands;
mod flight;
mod handing_over;
pub(crate) mod handle;
mod headers;
pub(crate) mod inboxes;
mod key_holders;
pub(crate) mod listeners;
pub(crate) mod listing;
pub(crate) mod logic;
mod mail;
mod outbound;
pub(crate) mod pending;
mod returning;
pub(crate) mod state;
mod taking_over;
pub(crate) mod timers;

use std::any::TypeId;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use overlapped::driver::{Completion, Live, Wait};
use overlapped::{Driver, Time, mailbox::Mailbox};

use self::acceptor::Acceptor;
use self::directory::{Directory, Mail, Phase};
use self::headers::Headers;
use self::logic::Logic;
use self::state::{ShardConfig, ShardState, token};
use crate::cluster::serving::Part;
use crate::connect::Origin;
use crate::error::ServerError;
use crate::flight::FlightKind;
use crate::group::{fanout, membership};
use crate::handler::Handler;
use crate::panic::contained;
use crate::session::{close, identity, opening, reason::CloseReason, receive, send, timeouts, work};
use crate::task::{executor::Executor, link::wake, offload::Offload};

/// How long a shard waits that may not go on because another is late.
const HELD_BACK: Duration = Duration::from_millis(1);

pub(crate) struct Shard<H: Handler> {
    logic: Logic<H>,
    tasks: Rc<Executor>,
    acceptor: Option<Acceptor>,
    headers: Headers,
    mailbox: Mailbox<Mail>,
    /// Memory for the list of sessions to resume.
    to_resume: Vec<u32>,
    directory: Arc<Directory>,
    shard: u16,
    phase: Phase,
    /// It has datagram sockets: see [`datagrams`].
    has_ports: bool,
    /// Its turns are counted, or recorded.
    is_watched: bool,
    is_clustered: bool,
    /// Of a cluster's node: its shards end together.
    serving: Option<Part>,
}

impl<H: Handler> Shard<H> {
    pub(crate) fn new(
        driver: Driver,
        config: ShardConfig,
        handler: H,
        acceptor: Option<Acceptor>,
        mailbox: Mailbox<Mail>,
        offload: Option<Offload>,
        directory: Arc<Directory>,
    ) -> Shard<H> {
        let shard = config.shard;
        let tasks = Executor::new(&driver, offload);
        let state = ShardState::new(driver, config, Arc::clone(&directory), Rc::clone(&tasks), TypeId::of::<H>());
        let is_watched = state.meter.is_some() || state.flight.is_some();
        let is_clustered = directory.node.is_some();
        // Before the logic, which may panic: the other shards do not wait for this one then.
        let serving = directory.node.as_ref().map(|node| node.serving.part());
        let mut logic = Logic::new(state, handler);
        {
            let _turning = tasks.enter();
            logic.started();
        }
        Shard {
            logic,
            tasks,
            acceptor,
            headers: Headers::default(),
            mailbox,
            to_resume: Vec::new(),
            directory,
            shard,
            phase: Phase::Running,
            has_ports: false,
            is_watched,
            is_clustered,
            serving,
        }
    }

    /// Waits until something happens, and does what there is to do. Returns `false` when the shard
    /// has ended: it was told to, and its last session is closed.
    pub(crate) fn turn(&mut self) -> Result<bool, ServerError> {
        let of_keys = self.deadline_of_keys();
        let wait = {
            let state = &mut *self.logic.state();
            let has_to_call = state.sessions.has_to_resume()
                || self.tasks.has_woken()
                || !state.pending.is_empty()
                || state.logic_timers.has_due();
            let has_to_go_on = state.attempts.ended_count() > 0
                || state.sessions.is_dirty()
                || !state.to_wake.is_empty()
                || state.timers.has_put_off()
                || state.endings.has_untold()
                || state.groups.has_emptied()
                || !state.listings.is_empty()
                || state.drain.has_idle()
                || state.transports.has_postponed()
                || state.away.has_to_go_on()
                || state.datagrams.as_ref().is_some_and(|ports| ports.has_to_go_on())
                || self.acceptor.as_ref().is_some_and(Acceptor::has_to_go_on)
                || !state.groups.may_wait();
            match earlier(state.deadline(), of_keys) {
                _ if has_to_go_on => Wait::Poll,
                // Neither a handler nor a task is called until the late shard has caught up.
                _ if has_to_call && state.groups.is_held_back() => {
                    state.rest(None);
                    Wait::For(HELD_BACK)
                }
                _ if has_to_call => Wait::Poll,
                Some(deadline) => {
                    state.rest(Some(deadline));
                    Wait::Until(deadline)
                }
                None => {
                    // Nothing is due, so nothing can be late, and the clock is not read.
                    state.timers.rest_forever();
                    Wait::Forever
                }
            }
        };
        self.turn_within(wait)?;
        if !self.has_ended() {
            return Ok(true);
        }
        // A thread that saw the server run may have sent mail since it was last read. From here on
        // none can, and each sender that waits for an answer gets one.
        self.mailbox.close();
        self.read_mail();
        Ok(!self.has_ended())
    }

    /// The turn is over, and the next begins when something happens, or at the deadline. Turns
    /// without this in between are taken to follow at once.
    pub(crate) fn rest(&mut self, deadline: Option<Time>) {
        self.logic.state().rest(deadline);
    }

    /// As [`turn`](Shard::turn), with a limit of the caller's on the wait. Says whether there was
    /// anything to do.
    pub(crate) fn turn_within(&mut self, wait: Wait) -> Result<bool, ServerError> {
        let (told, has_news) = {
            let state = &mut *self.logic.state();
            state.driver.turn(wait)?;
            state.timers.begin_turn(state.driver.now());
            if let Some(flight) = &state.flight {
                flight.begin_turn(state.timers.now());
            }
            state.groups.begin_turn();
            state.turn = state.turn.wrapping_add(1);
            state.sent_early = 0;
            let told = self.directory.phase();
            (told, self.has_news(state, told))
        };
        let _turning = self.tasks.enter();
        let mut busy = has_news && self.take_news(told);
        let mut completions = 0;
        let has_errands = loop {
            let completion = {
                let state = &mut *self.logic.state();
                match state.driver.next() {
                    Some(completion) => completion,
                    None => break self.has_errands(state),
                }
            };
            completions += 1;
            self.completed(completion);
        };
        let came = completions > 0;
        busy |= came;
        busy |= has_errands && self.run_errands(came);
        busy |= self.flush();
        if self.has_ports {
            busy |= self.finish_datagrams();
        }
        // Small sends have ended already. They need no turn of their own.
        loop {
            let completion = self.logic.state().driver.next_sent();
            let Some(completion) = completion else { break };
            completions += 1;
            busy = true;
            self.completed(completion);
            self.logic.state().drain.look_again();
        }
        if self.is_watched {
            self.watch_turn(busy, completions);
        }
        if self.phase != Phase::Running && self.is_clustered {
            let serves = self.has_anything_left();
            self.serving.iter_mut().for_each(|serving| serving.set(serves));
        }
        Ok(busy)
    }

    /// Counts and records a turn that had something to do, and how long it took.
    #[cold]
    fn watch_turn(&self, busy: bool, completions: u64) {
        let state = &*self.logic.state();
        let starvations = state.driver.starvations();
        let took = if busy { state.driver.now().since(state.timers.now()) } else { Duration::ZERO };
        if let Some(flight) = &state.flight {
            flight.end_turn(took, starvations);
        }
        let Some(meter) = &state.meter else { return };
        meter.starvations.set(starvations);
        if busy {
            meter.turns.observe(took.as_nanos() as u64);
            meter.completions.observe(completions);
        }
    }

    /// It was told to end, and its last session is closed; of a cluster's node, the last of all
    /// shards.
    pub(crate) fn has_ended(&self) -> bool {
        self.phase != Phase::Running
            && !self.has_anything_left()
            && self.serving.as_ref().is_none_or(|serving| serving.is_over())
    }

    /// When it has something to do without being told.
    pub(crate) fn deadline(&self) -> Option<Time> {
        earlier(self.logic.state().deadline(), self.deadline_of_keys())
    }

    /// When the keys of the cluster are to be turned, if this shard drives them.
    fn deadline_of_keys(&self) -> Option<Time> {
        let keys = self.directory.key_directory().filter(|_| self.is_clustered)?;
        keys.deadline(self.shard)
    }

    pub(crate) fn live(&self) -> Live {
        self.logic.state().driver.live()
    }

    fn completed(&mut self, completion: Completion) {
        let (kind, slot) = token::parts(completion.token);
        match kind {
            token::RECEIVE if self.logic.is_traced() => {
                let _entered = self.logic.enter_slot(slot);
                receive::completed(&mut self.logic, &self.tasks, slot, completion.result);
            }
            token::RECEIVE => receive::completed(&mut self.logic, &self.tasks, slot, completion.result),
            token::SEND => {
                let state = &mut *self.logic.state();
                if send::completed(state, slot, completion.result.as_ref().err(), completion.buf) {
                    close::begin(state, slot, CloseReason::Reset);
                }
            }
            token::CLOSE => self.closed(slot),
            token::SHUTDOWN => close::own_stream_ended(&mut self.logic.state(), slot, &completion),
            token::HEADER => {
                let ended = {
                    let state = &mut *self.logic.state();
                    self.headers.completed(slot, completion, &mut state.driver)
                };
                self.header_ended(ended);
            }
            token::DATAGRAM.. => self.port_completed(kind, slot, completion),
            token::CONNECT => {
                let state = &mut *self.logic.state();
                state.attempts.completed(slot, completion, &mut state.driver);
            }
            _ => {
                let Some(acceptor) = &mut self.acceptor else { return };
                let own = {
                    let state = &mut *self.logic.state();
                    acceptor.completed(completion, &mut state.driver, state.timers.now(), &self.directory)
                };
                if let Some(accepted) = own {
                    self.add_session(accepted);
                }
            }
        }
    }

    /// A session's close has completed.
    fn closed(&mut self, slot: u32) {
        if self.has_lost_connection(slot) {
            return;
        }
        self.logic.tell_closed();
        let (id, record, delivery, in_drain, transport) = {
            let state = &mut *self.logic.state();
            let Some(id) = state.sessions.id(slot) else { return };
            let Some(mut record) = state.sessions.remove(slot) else { return };
            if let Some(meter) = &state.meter {
                let meter = meter.of(record.activity.listener());
                meter.ended.add(1);
                if let Some(outbox) = record.outbox.get() {
                    outbox.tell_end(meter);
                }
            }
            record.outbox.give_back(&mut state.outboxes);
            state.timers.forget(slot);
            if !state.proxy_headers.is_empty() {
                state.proxy_headers.remove(&slot);
            }
            if let Some(ports) = state.datagrams.as_mut().filter(|_| record.is_datagrams()) {
                ports.peers.forget(slot);
            }
            let transport = record.has_transport().then(|| state.transports.remove(slot)).flatten();
            if state.away.forget(slot) {
                self.directory.hand_overs.ended(id);
            }
            let delivery = state.endings.settle(slot);
            if let Some(flight) = &state.flight {
                flight.record(Some(id), FlightKind::Ended(delivery));
            }
            (id, record, delivery, state.drain.has_begun(), transport)
        };
        let reason = record.reason.expect("a session is closed for a reason");
        let was_open = transport.is_none_or(|transport| !transport.is_unknown());
        if !was_open && record.origin() != Origin::Accepted {
            // It is counted as a connection that could not be made.
            return;
        }
        self.directory.count_out(self.shard);
        if was_open {
            self.logic.released(id, delivery);
        }
        if let Some(link) = &record.link {
            self.tasks.session_ended(link);
        }
        if let Some(meter) = self.directory.meter(self.shard) {
            meter.of(record.activity.listener()).count_closed(reason);
        }
        self.directory.stats().count_ended(reason, delivery, in_drain);
        // Last, for it gives the session's place back: nothing else of the session is left.
        drop(record);
    }

    /// Hands over what was kept for sessions that may be handed packets again. Says whether there
    /// were any.
    fn resume_sessions(&mut self) -> bool {
        if !self.logic.state().sessions.has_to_resume() {
            return false;
        }
        let mut list = std::mem::take(&mut self.to_resume);
        self.logic.state().sessions.swap_to_resume(&mut list);
        for slot in list.drain(..) {
            receive::resume(&mut self.logic, slot);
        }
        self.to_resume = list;
        true
    }

    /// Does what the expired deadlines of sessions ask for. `came` says whether anything was there
    /// to be read. Says whether there were any.
    fn expire_sessions(&mut self, came: bool) -> bool {
        let (mut any, mut looked) = {
            let timers = &mut self.logic.state().timers;
            if !timers.may_have_due() {
                return false;
            }
            (timers.has_put_off(), timers.take_put_off(came).into_iter())
        };
        loop {
            let (slot, heartbeat) = {
                let state = &mut *self.logic.state();
                match looked.next() {
                    Some(slot) => (slot, timeouts::expire(state, slot, true)),
                    None => {
                        let Some(slot) = state.timers.pop_due() else { break };
                        (slot, timeouts::expire(state, slot, false))
                    }
                }
            };
            any = true;
            if heartbeat {
                self.logic.heartbeat(slot);
            }
        }
        any
    }

    /// The end of a turn: counts the news of groups, sends what is queued, and goes on with a
    /// drain. Says whether there was anything.
    fn flush(&mut self) -> bool {
        let mut busy = false;
        let mut state = self.logic.state();
        state.groups.begin_delivery();
        if !state.groups.is_empty() {
            drop(state);
            // A packet that was mailed before a broadcast leaves before it.
            busy = self.read_mail();
            state = self.logic.state();
        }
        let state = &mut *state;
        busy |= fanout::fan_out(state);
        let now = state.timers.now();
        state.groups.renew_budget(now);
        if state.sessions.is_dirty() {
            let dirty = state.sessions.take_dirty();
            for slot in &dirty {
                if send::send_queued(state, *slot) {
                    close::end_own_stream(state, *slot);
                }
            }
            state.sessions.reuse_dirty(dirty);
            if state.transports.has_failed() {
                for (slot, failure) in state.transports.take_failed() {
                    opening::fail(state, slot, failure);
                }
            }
        }
        if state.groups.has_to_trim() {
            fanout::trim_logs(state);
        }
        busy |= state.sessions.is_dirty() || state.groups.has_news();
        busy | (state.drain.is_on() && work::go_on(state))
    }
}

#[inline]
fn earlier(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    one.into_iter().chain(other).min()
}

/// The shard is gone: what other threads know of its sessions goes too. They are not closed.
fn forget_all(state: &mut ShardState) {
    for slot in state.sessions.slots() {
        let Some(id) = state.sessions.id(slot) else { continue };
        identity::forget(state, id);
        // That it is too slow changes nothing.
        let _ = membership::leave_all(state, slot, None);
    }
}

impl<H: Handler> Drop for Shard<H> {
    fn drop(&mut self) {
        self.directory.presence.end(self.shard);
        if let Some(node) = &self.directory.node {
            node.shard_ended();
        }
        // The tasks hold sessions, which hold the state and the driver.
        self.tasks.end();
        // So may what waits to be handed over. Nothing is borrowed while it is dropped. Lists are
        // dropped here too: a session that is kept elsewhere keeps the state.
        let (left, lists, to_wake) = {
            let state = &mut *self.logic.state();
            // None is left of a shard that has ended in order.
            if contained(|| forget_all(state)).is_err() {
                tracing::error!("the sessions of shard {} were not let go", self.shard);
            }
            (state.pending.take(), std::mem::take(&mut state.listings), std::mem::take(&mut state.to_wake))
        };
        if contained(|| drop(left)).is_err() {
            tracing::error!("a message or a result panicked when it was dropped");
        }
        drop(lists);
        // Those that wait for room are told that there is nobody to take their messages.
        self.mailbox.close();
        for waker in self.directory.inboxes(self.shard).end().into_iter().chain(to_wake) {
            wake(waker);
        }
        if let Some(keys) = self.directory.key_directory() {
            keys.shard_ended(self.shard);
        }
    }
}
