//! Takes a session out that goes on on another node.

use bytes::Bytes;

use super::moving;
use crate::codec::Codec;
use crate::group::membership;
use crate::panic::contained;
use crate::registry::keys::IfTaken;
use crate::resume::{Afresh, handover::packed::Packed, token::Token};
use crate::session::{close, id::SessionId, identity, reason::CloseReason, send};
use crate::shard::state::ShardState;

/// What a packed session has besides its bytes and key.
const HEAD: usize = 256;

/// How many bytes a session would be at most, without what its logic saves. Says why it cannot go
/// on elsewhere, if it cannot.
pub(crate) fn size(state: &mut ShardState, id: SessionId, token: &Token, has: u64) -> Result<usize, Afresh> {
    let listener = state.sessions.open(id).ok_or(Afresh::Unknown)?.activity.listener();
    moving::admits(state, id, token, has, listener)?;
    let ShardState { sessions, transports, identities, .. } = state;
    let record = sessions.open(id).ok_or(Afresh::Unknown)?;
    // A task cannot be moved, nor what a codec of the user keeps to itself.
    let is_bound = record.link.is_some() || record.partner().is_some();
    let is_codec_empty = contained(|| record.codec.buffered()).is_ok_and(|bytes| bytes == 0);
    if is_bound || !is_codec_empty {
        return Err(Afresh::NotHandedOver);
    }
    let stream = transports.at(id.slot()).and_then(|transport| transport.resuming()?.stream());
    let key = identities.of(id).map_or(0, Bytes::len);
    Ok(HEAD + key + stream.map_or(0, |stream| stream.kept()) + record.outbox.len() + record.assembly.len())
}

/// Takes out all that a session is, whose client has shown a token. It is to be closed at once:
/// nothing more is sent to its peer or taken from it. `None`: it has ended by this.
pub(crate) fn pack(state: &mut ShardState, id: SessionId, shown: &Token, saved: Vec<u8>) -> Option<Packed> {
    let slot = id.slot();
    let mut queued = Vec::new();
    if !state.sessions.open(id)?.outbox.positions.is_empty() {
        // As for a session that closes in order.
        let complete = membership::complete_upto(state, slot);
        send::take_plain(state, slot, complete, &mut queued);
        if membership::leave_all(state, slot, Some(u64::MAX)) {
            close::begin(state, slot, CloseReason::TooSlow);
            return None;
        }
    }
    send::take_plain(state, slot, u64::MAX, &mut queued);
    let ShardState { sessions, transports, directory, identities, .. } = state;
    let record = sessions.open(id)?;
    let (unread, start) = record.assembly.take_kept();
    let (mut tokens, stream) = transports.at_mut(slot)?.resuming_mut()?.take_session()?;
    // Behind the newest: the client may not know a later one, however often it was given one.
    tokens[1..].sort_by_key(|token| !token.is(shown));
    let (received, confirmed, mut kept) = stream.into_parts();
    kept.append(&mut queued);
    let key = identities.of(id).filter(|key| directory.keys.has(key, id));
    let if_taken = match identities.if_taken(id) {
        // Without records nobody answers, and a key is that of its node.
        IfTaken::Replace if directory.key_directory().is_none() => IfTaken::Refuse,
        if_taken => if_taken,
    };
    let key = key.map(|key| (key.to_vec(), if_taken));
    // At once: the session that goes on is to have it.
    identity::forget(state, id);
    Some(Packed { tokens, received, confirmed, kept, unread: unread[start..].to_vec(), key, saved })
}
