//! The `Handler` trait: your server's application code.

use crate::cluster::Gap;
use crate::connect::ConnectError;
use crate::group::{Group, presence::PresenceChange};
use crate::registry::keys::IdentifyError;
use crate::server::Handle;
use crate::session::{Session, delivery::Delivery, id::SessionId, reason::CloseReason};
use crate::shard::handle::ShardHandle;

/// What to do with a session after a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Hand over no more packets until [`Session::resume`]. What has arrived is kept, and the peer
    /// is held up by its own window. The end of the peer's stream is noticed only after that.
    Pause,
    /// Send what is queued, then close.
    Close,
}

/// A server's logic. Every shard has its own clone, which is called on that shard's thread, one
/// call after the other. Put what shards share behind an `Arc`.
///
/// A panic in a call closes that session, with [`CloseReason::Panic`], and no other but two: its
/// [partner](Session::pair), and the session that [opened](Session::connect) it, with
/// [`CloseReason::ByOpened`], since that one may wait for it.
pub trait Handler: Clone + Send + 'static {
    /// What is kept for each session.
    type State: 'static;

    /// What other threads may hand to a session: [`Handle::post`](crate::Handle::post).
    /// [`NoMessage`](crate::NoMessage) if nothing.
    type Message: Send + 'static;

    /// A shard begins, on its own thread: called for each shard's clone of the handler, once,
    /// before its first session. Keep the server's handle here if the logic needs it; it is for any
    /// thread. By default nothing is done. A panic here ends the server.
    ///
    /// `Builder::start` may return before this is called.
    fn started(&mut self, shard: &ShardHandle, handle: &Handle<Self::Message>) {
        let _ = (shard, handle);
    }

    /// A peer has connected, or the server has connected to a peer: [`Session::origin`] tells. The
    /// session can be used already: to send, to join groups, to set timers.
    fn connected(&mut self, session: &Session) -> Self::State;

    /// The peer of a session that can be [resumed](crate::Listener::resume) has come back to
    /// another node of the [cluster](crate::cluster). Returns what [`restore`](Handler::restore)
    /// needs there, or `None` if the session cannot go on there: then it stays as it is, and its
    /// peer is told to start afresh. What is sent here still reaches the peer, from there. Right
    /// after this, the session is [closed](Handler::closed) as [`Moved`](CloseReason::Moved).
    ///
    /// With the session go what its peer lacks, what has come from it and was not handed over, and
    /// its [key](Session::identify): with what this returns, at most 4 MiB. What does not go:
    /// groups, timers, messages that wait for it. By default `None`.
    fn save(&mut self, session: &Session, state: &mut Self::State) -> Option<Vec<u8>> {
        let _ = (session, state);
        None
    }

    /// A session of another node goes on here, instead of [`connected`](Handler::connected): its
    /// peer has come, and gets what it lacks before what is sent here. Returns its state, made of
    /// what [`save`](Handler::save) returned there; join groups and set timers here. It has its key
    /// already, unless another session of this node has that: then
    /// [`identified`](Handler::identified) is told so behind this. In a cluster with records it is
    /// told the cluster's answer, too.
    ///
    /// `None` if nothing can be made of it: then the peer is told to start afresh, and the session
    /// is gone. By default `None`.
    fn restore(&mut self, session: &Session, saved: &[u8]) -> Option<Self::State> {
        let _ = (session, saved);
        None
    }

    /// A packet has come: the bytes that the server's [codec](crate::Builder::codec) found in a
    /// frame. With [`Raw`](crate::codec::Raw), the default, that is whatever arrived at once, at
    /// least 1 byte and at most 16 KiB.
    fn received(&mut self, session: &Session, state: &mut Self::State, packet: &[u8]) -> Flow;

    /// TLS that was started in the running session (`Session::start_tls`) is there: all that comes
    /// now, and all that was sent since the start, is over TLS. `Session::tls` says what was agreed
    /// on. If the handshake fails, the session is [closed](Handler::closed) instead. By default
    /// nothing is done.
    fn secured(&mut self, session: &Session, state: &mut Self::State) {
        let _ = (session, state);
    }

    /// The peer has ended its stream: no more packets come. It can still be sent to. By default the
    /// session is closed as [`ByPeer`](CloseReason::ByPeer) when what is queued is sent
    /// ([`Flow::Close`]). Any other answer keeps it until [`Session::shutdown`] has ended our
    /// stream too, or it is closed.
    fn ended(&mut self, session: &Session, state: &mut Self::State) -> Flow {
        let _ = (session, state);
        Flow::Close
    }

    /// Nothing has been sent to the peer for as long as
    /// [`Timeouts::heartbeat`](crate::Timeouts::heartbeat) says, or it is time for one that comes
    /// [always](crate::Timeouts::heartbeat_always). Send something to show the peer,
    /// and every box on the way, that the connection is alive. By default nothing is done.
    fn heartbeat(&mut self, session: &Session, state: &mut Self::State) {
        let _ = (session, state);
    }

    /// A message has come: [`Handle::post`](crate::Handle::post). Messages come between packets,
    /// also while the session is paused or paired. By default nothing is done.
    fn message(&mut self, session: &Session, state: &mut Self::State, message: Self::Message) {
        let _ = (session, state, message);
    }

    /// The cluster has answered whether the session has its key on all nodes: once for each
    /// [`Session::identify`] or [`identify_with`](Session::identify_with) that returned `Ok`,
    /// unless the session has ended, has given the key up or has another meanwhile. Only on a node
    /// of a [cluster](crate::cluster) that has records; it takes a round trip, and at most twice
    /// the [time of a lease](crate::cluster::ClusterNode::lease).
    ///
    /// With an error the session has the key no longer, on this server either. By default it is
    /// closed then, as [`ByHandler`](CloseReason::ByHandler).
    fn identified(
        &mut self,
        session: &Session,
        state: &mut Self::State,
        key: &[u8],
        result: Result<(), IdentifyError>,
    ) {
        let _ = (state, key);
        if result.is_err() {
            session.close();
        }
    }

    /// A timer of the session is due: [`Session::after`]. Timers come between packets, also while
    /// the session is paused or paired, and never after it has begun to close. By default nothing
    /// is done.
    fn timer(&mut self, session: &Session, state: &mut Self::State, token: u64) {
        let _ = (session, state, token);
    }

    /// A timer of the shard is due: [`ShardHandle::after`]. By default nothing is done. A panic
    /// here is logged and ends nothing.
    fn shard_timer(&mut self, shard: &ShardHandle, token: u64) {
        let _ = (shard, token);
    }

    /// A connection that [`Session::connect`] or [`Handle::connect`](crate::Handle::connect) asked
    /// for could not be made. `token` is what was given there, `opener` the session that asked,
    /// unless it is closed too. By default nothing is done.
    fn connect_failed(&mut self, opener: Option<&Session>, token: u64, error: &ConnectError) {
        let _ = (opener, token, error);
    }

    /// The server is being [drained](crate::Handle::drain). Called once for each session; one that
    /// begins later is told right after [`connected`](Handler::connected). Packets still come
    /// while the session is at work; one that is idle is closed, when what this call has sent is
    /// sent. To give a peer time, keep a [busy guard](Session::busy) in the state, and drop it in
    /// a [timer](Session::after): timers go on in a drain. In a [cluster](crate::cluster),
    /// [`Handle::suggest_node`] says where the peer might go. By default nothing is done.
    fn draining(&mut self, session: &Session, state: &mut Self::State) {
        let _ = (session, state);
    }

    /// The session has ended: no packet comes any more, and nothing can be sent to it. What was
    /// queued before may still be on its way: [`released`](Handler::released) says what became of
    /// it.
    fn closed(&mut self, id: SessionId, state: Self::State, reason: &CloseReason) {
        let _ = (id, state, reason);
    }

    /// The last member of a group has left it, or has ended. Called once for each time that this
    /// happens, on the shard of that member, after [`closed`](Handler::closed) if it has ended. By
    /// default nothing is done. A panic here is logged and ends nothing.
    ///
    /// A group needs no clearing away: it is gone when nobody holds it. This is for what the logic
    /// keeps for a group. Another session may have joined meanwhile. So join and ask
    /// [`is_empty`](Group::is_empty) under the lock of what is kept: then nothing is thrown away
    /// that is in use, and there is another call when the group is empty again. That needs
    /// [`Session::join`]: a [`Handle::join`](crate::Handle::join) takes effect later.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::sync::{Arc, Mutex};
    ///
    /// use proactor::{Flow, Group, Handler, NoMessage, Session, ShardHandle};
    ///
    /// /// A peer's packets are names of rooms to enter. A room has a topic: who opened it.
    /// #[derive(Clone, Default)]
    /// struct Rooms(Arc<Mutex<HashMap<Vec<u8>, String>>>);
    ///
    /// impl Handler for Rooms {
    ///     type State = ();
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) {}
    ///     fn received(&mut self, session: &Session, _: &mut (), name: &[u8]) -> Flow {
    ///         let mut topics = self.0.lock().unwrap();
    ///         let Ok(room) = session.handle().group(name) else { return Flow::Close };
    ///         if session.join(&room).is_ok() {
    ///             topics.entry(name.to_vec()).or_insert_with(|| format!("of {}", session.id()));
    ///         }
    ///         Flow::Continue
    ///     }
    ///     fn group_emptied(&mut self, _: &ShardHandle, room: &Group) {
    ///         let mut topics = self.0.lock().unwrap();
    ///         if room.is_empty() && let Some(name) = room.name() {
    ///             topics.remove(name);
    ///         }
    ///     }
    /// }
    /// ```
    fn group_emptied(&mut self, shard: &ShardHandle, group: &Group) {
        let _ = (shard, group);
    }

    /// Packets were lost between the nodes of the [cluster](crate::cluster): of this group, or,
    /// with `None`, of all or of too many to name them. Called on one shard of the server, soon
    /// after that was noticed; later packets may have come meanwhile. If nobody holds the group any
    /// more, [`Missed`](Gap::Missed) is not told, and [`Unpublished`](Gap::Unpublished) is told
    /// with `None`. By default nothing is done. A panic here is logged and ends nothing.
    ///
    /// ```
    /// use proactor::cluster::Gap;
    /// use proactor::{Flow, Group, Handler, NoMessage, Session, ShardHandle};
    ///
    /// #[derive(Clone)]
    /// struct Chat;
    ///
    /// impl Handler for Chat {
    ///     # type State = ();
    ///     # type Message = NoMessage;
    ///     # fn connected(&mut self, _: &Session) {}
    ///     # fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
    ///     #     Flow::Continue
    ///     # }
    ///     fn cluster_gap(&mut self, _: &ShardHandle, room: Option<&Group>, gap: &Gap) {
    ///         if let (Some(room), Gap::Missed { packets, .. }) = (room, gap) {
    ///             let text = format!("{packets} messages are missing");
    ///             let _ = room.broadcast_here(text.as_bytes());
    ///         }
    ///     }
    /// }
    /// ```
    fn cluster_gap(&mut self, shard: &ShardHandle, group: Option<&Group>, gap: &Gap) {
        let _ = (shard, group, gap);
    }

    /// Who is in a group has changed, on any node of the [cluster](crate::cluster): a group that
    /// [is watched](crate::Handle::watch_presence). Called soon after that, on one shard of each
    /// server that watches it, always the same for a group. What [`Group::present`] says is at
    /// least as new. By default nothing is done. A panic here is logged and ends nothing.
    fn presence(&mut self, shard: &ShardHandle, group: &Group, change: &PresenceChange) {
        let _ = (shard, group, change);
    }

    /// The connection of a session that has [ended](Handler::closed) is gone, at the latest after
    /// the [linger time](crate::Timeouts::linger): its place is free, and it is settled whether
    /// what was queued was delivered. By default nothing is done.
    fn released(&mut self, id: SessionId, delivery: Delivery) {
        let _ = (id, delivery);
    }
}
