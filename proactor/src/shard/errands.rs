//! What a turn may have to do besides what has completed and what is to be sent. Most turns have
//! none of it, and ask for all at once.

use super::directory::Phase;
use super::state::ShardState;
use super::{Shard, cluster};
use crate::cluster::mail::MailKind;
use crate::handler::Handler;
use crate::session::receive;

impl<H: Handler> Shard<H> {
    /// Whether there is something to do before the completions. `told` was read before: mail that
    /// was sent before the server was told to end is seen here, and read before the end begins.
    pub(super) fn has_news(&self, state: &ShardState, told: Phase) -> bool {
        !self.mailbox.is_empty()
            || !state.pending.is_empty()
            || told > self.phase
            || state.drain.is_on()
            || self.tasks.has_mail()
            || state.sessions.has_to_resume()
            || state.transports.has_postponed()
    }

    /// Does that. Says whether there was anything.
    #[inline(never)]
    pub(super) fn take_news(&mut self, told: Phase) -> bool {
        let has_postponed = self.logic.state().transports.has_postponed();
        let mut busy = self.read_mail();
        busy |= self.logic.deliver();
        busy |= self.enter_phase(told);
        busy |= self.go_on_draining();
        self.tasks.take_mail();
        busy |= self.resume_sessions();
        if has_postponed {
            receive::go_on_opening(&mut self.logic, &self.tasks);
            busy = true;
        }
        busy
    }

    /// Whether there is something to do behind the completions.
    pub(super) fn has_errands(&self, state: &mut ShardState) -> bool {
        let now = state.timers.now();
        // Each wheel is told of the turn.
        let has_due = state.timers.may_have_due() | state.logic_timers.may_have_due(now) | self.tasks.begin_turn(now);
        has_due
            || self.has_ports
            || self.tasks.has_woken()
            || !state.to_wake.is_empty()
            || state.attempts.has_any()
            || !state.pending.is_empty()
            || state.endings.has_untold()
            || state.groups.has_emptied()
            || !state.listings.is_empty()
            || state.directory.presence.has_any(self.shard)
            || (self.is_clustered
                && (state.next_tell.is_some_and(|at| at <= now)
                    || state.directory.node.as_ref().is_some_and(|node| {
                        let keys = node.directory.as_ref();
                        node.ledger.has_reports() || keys.is_some_and(|keys| keys.has_to_turn(self.shard, now))
                    })))
            || state.away.has_to_go_on()
            || state.fetches.deadline() <= now
            || self.phase != Phase::Running && !state.fetches.is_empty()
    }

    /// Does that. `came` says whether there were completions. Says whether there was anything.
    #[inline(never)]
    pub(super) fn run_errands(&mut self, came: bool) -> bool {
        // After the completions: what came in time is not late.
        let mut busy = self.expire_sessions(came);
        if self.has_ports {
            busy |= self.expire_datagrams();
        }
        busy |= self.logic.call_timers();
        busy |= self.end_attempts();
        busy |= self.logic.run_tasks(&self.tasks);
        busy |= self.logic.deliver();
        busy |= self.logic.tell_closed();
        busy |= self.logic.tell_emptied();
        busy |= self.logic.tell_presence();
        if self.is_clustered {
            busy |= self.logic.tell_gaps();
            busy |= cluster::tell(&mut self.logic.state());
            busy |= self.turn_keys();
        }
        busy |= self.logic.list_sessions();
        match self.phase {
            Phase::Running => busy |= self.turn_fetches(),
            _ => self.end_fetches(),
        }
        busy |= self.take_returning();
        busy
    }

    /// Turns the keys of the cluster, if this shard drives them. Says whether there was anything.
    fn turn_keys(&self) -> bool {
        let now = self.logic.state().timers.now();
        let Some(node) = &self.directory.node else { return false };
        let Some(keys) = node.directory.as_ref().filter(|keys| keys.has_to_turn(self.shard, now)) else { return false };
        // Nothing is borrowed: who waits for an answer is woken.
        let clock = || self.logic.state().driver.now();
        keys.turn(clock, |to, letter| {
            if let Err(why) = node.mail(to, MailKind::Keys, letter) {
                tracing::debug!("a letter to node {to:016x} is lost: {why}");
            }
        });
        true
    }
}
