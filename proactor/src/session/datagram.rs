//! Datagrams on their way to the logic. Each is handed over as a packet of any session is, or kept,
//! while its session is held, as far as there is room.

use super::{Session, arrival, receive};
use crate::datagrams::drops::DatagramDrop;
use crate::datagrams::outgoing::frame;
use crate::handler::Handler;
use crate::shard::logic::Logic;
use crate::shard::state::ShardState;
use crate::task::executor::Executor;

/// Bytes that may be kept for a session that is held.
const MOST_KEPT: usize = 64 * 1024;

/// A datagram of a session has come.
pub(crate) fn received<H: Handler>(logic: &mut Logic<H>, tasks: &Executor, slot: u32, packet: &[u8]) {
    // An empty one is heard too.
    let came = packet.len().max(1);
    let framed = {
        let state = &mut *logic.state();
        let may_go_on = arrival::may_go_on(state, slot);
        let now = state.timers.fair_now();
        let ShardState { sessions, datagrams: Some(ports), .. } = state else { return };
        if let Some(peer) = ports.peers.at(slot) {
            peer.came(packet.len(), now);
        }
        let Some(record) = sessions.open_at(slot) else { return };
        let kept = record.assembly.len();
        let mut framed = std::mem::take(&mut ports.frame);
        frame(packet, &mut framed);
        if may_go_on {
            framed
        } else {
            if kept + framed.len() > MOST_KEPT {
                ports.counts.dropped(DatagramDrop::Held);
            } else {
                receive::bytes_came(state, slot, came);
                arrival::keep(state, slot, &framed);
            }
            return give_back(state, framed);
        }
    };
    let framed = tasks.lending.lend_bytes(framed, |piece| receive::hand_over(logic, slot, piece, came));
    give_back(&mut logic.state(), framed);
}

fn give_back(state: &mut ShardState, framed: Vec<u8>) {
    if let Some(ports) = &mut state.datagrams {
        ports.frame = framed;
    }
}

impl Session {
    /// Whether its packets are [datagrams](crate::Listener::datagrams).
    pub fn is_datagrams(&self) -> bool {
        self.state().borrow_mut().sessions.open(self.id()).is_some_and(|record| record.is_datagrams())
    }

    /// Says that the peer of a [datagram](crate::Listener::datagrams) session is where its
    /// datagrams say that they come from: from now on it may be sent more than came from it. To be
    /// called when the logic has seen a proof, such as a random token that it had sent there and
    /// that came back. A second datagram is none: a sender that forges one address can send two
    /// datagrams from it.
    ///
    /// Does nothing if the address is proved, or for other sessions.
    ///
    /// ```
    /// use proactor::{Flow, Handler, NoMessage, Session};
    ///
    /// /// Sends a token of eight bytes for a hello of at least eight, and the news for the token.
    /// #[derive(Clone)]
    /// struct News {
    ///     token: fn() -> [u8; 8], // random
    /// }
    ///
    /// impl Handler for News {
    ///     type State = [u8; 8];
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) -> [u8; 8] {
    ///         (self.token)()
    ///     }
    ///     fn received(&mut self, session: &Session, token: &mut [u8; 8], packet: &[u8]) -> Flow {
    ///         let answer: &[u8] = if packet == token {
    ///             session.confirm_peer();
    ///             b"all the news, as long as they are"
    ///         } else {
    ///             token
    ///         };
    ///         session.send(answer).map_or(Flow::Close, |()| Flow::Continue)
    ///     }
    /// }
    /// ```
    pub fn confirm_peer(&self) {
        if let Some(ports) = &mut self.state().borrow_mut().datagrams
            && let Some(peer) = ports.peers.of(self.id())
        {
            peer.confirm();
        }
    }

    /// Whether the peer may be sent more than came from it: it has returned a
    /// [cookie](crate::Datagrams::cookies), is [confirmed](Session::confirm_peer) or
    /// [trusted](crate::Datagrams::trust_peers), or the session is over a stream, which proves it.
    pub fn is_peer_confirmed(&self) -> bool {
        match &mut self.state().borrow_mut().datagrams {
            Some(ports) => ports.peers.of(self.id()).is_none_or(|peer| peer.is_proved()),
            None => true,
        }
    }
}
