//! The ends of a session's two streams, each on its own: the peer's, of which the handler is told, and ours, which [`Session::shutdown`] ends. When both have ended
//! the session is closed.

use overlapped::Op;
use overlapped::driver::{Completion, ShutdownHow};

use crate::close::CloseReason;
use crate::session::{Core, Session, token};

/// How far the ends of a session's streams have come.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The handler, or the session's partner, has been told that the peer's stream has ended.
    pub(crate) told: bool,
    own: Own,
}

/// Our stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Own {
    #[default]
    Open,
    /// It ends behind what is queued.
    Asked,
    /// Its end is behind the last send, with the driver.
    Started,
    Ended,
}

impl Ends {
    /// Whether more may be queued for the peer.
    pub(crate) fn takes_more(&self) -> bool {
        self.own == Own::Open
    }
}

impl Core {
    /// Ends our stream behind what is queued. Whether the session's last send is still to come is found out when the turn's sends are started.
    pub(crate) fn shut_down(&mut self, slot: u32) {
        let Some(entry) = self.entry(slot).filter(|entry| entry.reason.is_none() && entry.ends.takes_more()) else {
            return;
        };
        entry.ends.own = Own::Asked;
        // What was broadcast until now is still sent.
        self.leave_all(slot, Some(self.delivery.now()));
        let Some(entry) = self.entry(slot) else { return };
        if !std::mem::replace(&mut entry.dirty, true) {
            self.dirty.push(slot);
        }
    }

    /// After a turn's send: if nothing is left to be sent and our stream is to end, it does.
    pub(crate) fn end_own_stream(&mut self, slot: u32) {
        let Some(entry) = self.entry(slot) else { return };
        if entry.ends.own != Own::Asked || entry.reason.is_some() || entry.outbox.has_queued() {
            return;
        }
        let op = Op::shutdown(entry.socket, ShutdownHow::Send);
        entry.ends.own = Own::Started;
        self.start(op, token::of(token::SHUTDOWN, slot));
    }

    /// Our stream has ended, or could not be.
    pub(crate) fn own_stream_ended(&mut self, slot: u32, completion: &Completion) {
        let Some(entry) = self.entry(slot).filter(|entry| entry.reason.is_none()) else { return };
        if completion.result.is_err() {
            return self.begin_close(slot, CloseReason::Reset);
        }
        entry.ends.own = Own::Ended;
        self.close_if_both_ended(slot);
    }

    /// Closes a session of which neither stream goes on.
    pub(crate) fn close_if_both_ended(&mut self, slot: u32) {
        let Some(entry) = self.entry(slot) else { return };
        if entry.ended && entry.ends.told && entry.ends.own == Own::Ended {
            self.begin_close(slot, CloseReason::ByPeer);
        }
    }
}

impl Session {
    /// Ends our stream behind what is queued: the peer sees its end, and can still send. Nothing can be queued any more; packets still come. When the peer has
    /// ended its stream too, and [`Handler::ended`](crate::Handler::ended) has been told of that, the session is closed, as
    /// [`ByPeer`](CloseReason::ByPeer).
    ///
    /// ```
    /// use proactor::{Flow, Handler, Session};
    ///
    /// /// Answers a peer that ends its stream first, as `nc -N` does.
    /// #[derive(Clone)]
    /// struct Count;
    ///
    /// impl Handler for Count {
    ///     type State = u64;
    ///     fn connected(&mut self, _: &Session) -> u64 {
    ///         0
    ///     }
    ///     fn received(&mut self, _: &Session, bytes: &mut u64, packet: &[u8]) -> Flow {
    ///         *bytes += packet.len() as u64;
    ///         Flow::Continue
    ///     }
    ///     fn ended(&mut self, session: &Session, bytes: &mut u64) -> Flow {
    ///         let _ = session.send(format!("{bytes}\n").as_bytes());
    ///         session.shutdown();
    ///         Flow::Continue
    ///     }
    /// }
    /// ```
    pub fn shutdown(&self) {
        let mut core = self.core.borrow_mut();
        if core.open(self.id).is_some() {
            core.shut_down(self.id.slot);
        }
    }
}
