//! The keys that sessions are known by, as their shard has them.

use bytes::Bytes;

use super::Session;
use super::id::SessionId;
use super::reason::CloseReason;
use crate::cluster::directory::event::{CameFrom, Login};
use crate::group::membership;
use crate::registry::keys::{IdentifyError, IfTaken};
use crate::shard::directory::Mail;
use crate::shard::state::ShardState;

impl Session {
    /// Gives the session a key of your own, any bytes, at most 1,024: the name of an account, a
    /// token, a number. Any thread then [finds](crate::Handle::find) it, [sends to
    /// it](crate::Handle::send_to) and [closes it](crate::Handle::close_key) by that. A key that
    /// another session has is refused; [`identify_with`](Session::identify_with) can do otherwise.
    ///
    /// A session has one key: a new one takes the place of the old. It is free again when the
    /// session has ended and [`closed`](crate::Handler::closed) has returned.
    ///
    /// ```
    /// use proactor::{Flow, Handler, IdentifyError, NoMessage, Session};
    ///
    /// /// The first packet is a name. What follows is for the peer whose name comes first in it.
    /// #[derive(Clone)]
    /// struct Post;
    ///
    /// impl Handler for Post {
    ///     type State = bool;
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) -> bool {
    ///         false
    ///     }
    ///     fn received(&mut self, session: &Session, has_name: &mut bool, packet: &[u8]) -> Flow {
    ///         if !*has_name {
    ///             *has_name = session.identify(packet).is_ok();
    ///             let answer: &[u8] = if *has_name { b"welcome" } else { b"take another name" };
    ///             return session.send(answer).map_or(Flow::Close, |()| Flow::Continue);
    ///         }
    ///         let mut words = packet.splitn(2, |byte| *byte == b' ');
    ///         let Some(name) = words.next() else { return Flow::Close };
    ///         let text = words.next().unwrap_or_default();
    ///         let _ = session.handle().send_to(name, text.to_vec());
    ///         Flow::Continue
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// `Taken` if another session has it, `TooLong`, `Closed` if the session is closed. It then
    /// keeps the key that it has.
    pub fn identify(&self, key: impl AsRef<[u8]>) -> Result<(), IdentifyError> {
        self.identify_with(key, IfTaken::Refuse)
    }

    /// As [`identify`](Session::identify), and says what becomes of a key that another session has.
    ///
    /// With [`Replace`](IfTaken::Replace) the key is this session's at once. The other hears of its
    /// end when its shard has read of it; until then its logic may still be called.
    ///
    /// On a node of a [cluster](crate::cluster) that has records, the key is the cluster's. `Ok`
    /// then says that the session has it on this server; whether it has it in the cluster,
    /// [`Handler::identified`](crate::Handler::identified) is told later.
    ///
    /// # Errors
    /// As for [`identify`](Session::identify); `TooMany` if too many share the key; `Full` if a
    /// session cannot be told that it is replaced.
    pub fn identify_with(&self, key: impl AsRef<[u8]>, if_taken: IfTaken) -> Result<(), IdentifyError> {
        self.identify_from(key.as_ref(), if_taken, Vec::new())
    }

    /// As [`identify_with`](Session::identify_with), for a session that had the key elsewhere.
    pub(crate) fn identify_from(
        &self,
        key: &[u8],
        if_taken: IfTaken,
        from: Vec<CameFrom>,
    ) -> Result<(), IdentifyError> {
        let id = self.id();
        let state = &mut *self.state().borrow_mut();
        let ShardState { sessions, directory, identities, .. } = state;
        sessions.open(id).ok_or(IdentifyError::Closed)?;
        // Before anything is done: who is refused keeps its key, and nobody is replaced.
        if directory.key_directory().is_some_and(|cluster| !cluster.has_room()) {
            return Err(IdentifyError::Full);
        }
        directory.keys.claim(key, id, if_taken, |other| {
            let key = Bytes::copy_from_slice(key);
            directory.mail_to_session(other, Mail::KeyTaken { id: other, key, reason: CloseReason::Replaced })
        })?;
        let key = Bytes::copy_from_slice(key);
        let (ticket, before) = identities.set(id, key.clone(), if_taken);
        if before.as_ref() != Some(&key) {
            if let Some(before) = &before {
                directory.keys.release(before, id);
                if let Some(cluster) = directory.key_directory() {
                    cluster.left(before.clone());
                }
            }
            membership::renamed(state, id, before.as_ref(), Some(&key));
        }
        if let Some(cluster) = state.directory.key_directory() {
            cluster.login(Login { key, id, ticket, if_taken, from });
        }
        Ok(())
    }

    /// The key that it was given, unless it was replaced or has ended.
    pub fn key(&self) -> Option<Bytes> {
        let ShardState { sessions, directory, identities, .. } = &mut *self.state().borrow_mut();
        sessions.open(self.id())?;
        identities.of(self.id()).filter(|key| directory.keys.has(key, self.id())).cloned()
    }

    /// Gives its key up. Does nothing if it has none.
    pub fn give_up_key(&self) {
        let state = &mut *self.state().borrow_mut();
        if state.sessions.open(self.id()).is_some() {
            forget(state, self.id());
        }
    }
}

/// A session has ended, or gives up its key.
pub(crate) fn forget(state: &mut ShardState, id: SessionId) {
    let ShardState { directory, identities, .. } = state;
    if let Some(key) = identities.forget(id) {
        directory.keys.release(&key, id);
        if let Some(cluster) = directory.key_directory() {
            cluster.left(key.clone());
        }
        membership::renamed(state, id, Some(&key), None);
    }
}

/// The cluster has answered a login. Returns its key, which the session has no longer if the answer
/// is an error. `None`: there is no such login any more.
pub(crate) fn answered(state: &mut ShardState, id: SessionId, ticket: u64, is_refused: bool) -> Option<Bytes> {
    let ShardState { sessions, directory, identities, .. } = state;
    sessions.open(id)?;
    let key = identities.of(id).filter(|_| identities.ticket(id) == Some(ticket))?.clone();
    if !directory.keys.has(&key, id) {
        return None;
    }
    match is_refused {
        true => forget(state, id),
        false => identities.is_answered(id),
    }
    Some(key)
}

/// Whether a session has lost this key to another, and has not got another one since.
pub(crate) fn is_replaced(state: &ShardState, id: SessionId, key: &[u8]) -> bool {
    state.identities.of(id).is_some_and(|own| own == key) && !state.directory.keys.has(key, id)
}
