//! What other threads have sent to a shard: packets, closes, messages, connections.

use std::sync::mpsc::SyncSender;

use overlapped::driver::Stream;

use super::directory::{Mail, Wanted};
use super::pending::Pending;
use super::state::ShardState;
use super::{Shard, cluster};
use crate::cluster::mail::MailKind;
use crate::connect::Request;
use crate::error::{SendError, ServerError};
use crate::group::{fanout, membership};
use crate::handler::Handler;
use crate::panic::contained;
#[cfg(feature = "websocket")]
use crate::session::websocket;
use crate::session::{close, id::SessionId, identity, latest, reason::CloseReason, send};

impl<H: Handler> Shard<H> {
    /// Says whether there was any.
    pub(super) fn read_mail(&mut self) -> bool {
        if self.mailbox.is_empty() {
            return false;
        }
        let mail: Vec<Mail> = self.mailbox.take().collect();
        let any = !mail.is_empty();
        for mail in mail {
            let mail = match mail {
                Mail::Accepted(accepted) => {
                    self.add_session(accepted);
                    continue;
                }
                Mail::Listeners(answer) => {
                    self.duplicate_listeners(&answer);
                    continue;
                }
                Mail::FromNode(mail) if mail.kind == MailKind::Sessions => {
                    self.wrote(mail);
                    continue;
                }
                mail => mail,
            };
            let state = &mut *self.logic.state();
            match mail {
                Mail::Accepted(_) | Mail::Listeners(_) => unreachable!("handled above"),
                Mail::Join { id, stamp, group, locals } => {
                    if let Err(error) = membership::join(state, id, &group, stamp, locals) {
                        tracing::debug!("{id:?} does not join a group: {error}");
                    }
                }
                Mail::CountPresent(group) => membership::count_present(state, &group),
                Mail::Leave { id, group, stamp } => fanout::leave(state, id, &group, stamp),
                Mail::Send { id, packet, stamp } => sent(state, id, |state| send::queue(state, id, &packet, stamp)),
                #[cfg(feature = "websocket")]
                Mail::SendAs { id, kind, packet, stamp } => {
                    sent(state, id, |state| websocket::queue_as(state, id, kind, &packet, stamp));
                }
                Mail::SendLatest { id, key, packet, stamp } => {
                    sent(state, id, |state| latest::queue(state, id, key, &packet, stamp));
                }
                Mail::Close(id) if state.pending.is_empty() => {
                    close::begin_if_open(state, id, CloseReason::ByHandler);
                }
                // Behind the messages that were sent before.
                Mail::Close(id) => state.pending.push_close(id),
                Mail::Post { id, message } => state.pending.push(Pending::Message(id, message)),
                Mail::Abort(id) => close::abort(state, id),
                Mail::KeyTaken { id, key, reason } if identity::is_replaced(state, id, &key) => {
                    close::begin_if_open(state, id, reason);
                }
                Mail::KeyTaken { .. } => {}
                Mail::Identified { id, ticket, result } => state.pending.push(Pending::Identified(id, ticket, result)),
                Mail::Rates(rates) => state.profiles.set_rates(rates),
                Mail::Returning(returning) => state.away.came(*returning),
                Mail::List(job) => state.listings.push_back(job),
                Mail::Connect(wanted) => {
                    let Wanted { target, token, permit } = *wanted;
                    let request = Request { target, token, permit, opener: None, waiter: None };
                    state.attempts.begin(request, &mut state.driver);
                }
                Mail::FromNode(mail) => cluster::received(state, mail),
                Mail::Found(attempt, found) => state.attempts.found(attempt, found, &mut state.driver),
            }
        }
        let ShardState { directory, shard, to_wake, .. } = &mut *self.logic.state();
        directory.inboxes(*shard).has_read(to_wake);
        any
    }
}

impl<H: Handler> Shard<H> {
    /// Answers who wants duplicates of the listeners. If nobody waits any more, they are closed.
    #[cold]
    fn duplicate_listeners(&self, answer: &SyncSender<Result<Vec<Stream>, ServerError>>) {
        if let Some(acceptor) = &self.acceptor {
            let _ = answer.try_send(acceptor.duplicate(&self.logic.state().driver));
        }
    }
}

/// Queues a packet that another thread has sent.
fn sent(state: &mut ShardState, id: SessionId, queue: impl FnOnce(&mut ShardState) -> Result<(), SendError>) {
    match contained(|| queue(state)) {
        Ok(Ok(()) | Err(SendError::Closed)) => {}
        Ok(Err(SendError::Full)) => close::begin(state, id.slot(), CloseReason::TooSlow),
        Ok(Err(error)) => tracing::warn!("a packet for {id:?} is dropped: {error}"),
        Err(_) => close::begin(state, id.slot(), CloseReason::Panic),
    }
}
