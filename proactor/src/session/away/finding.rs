//! Where the session is that a client has asked for.

use crate::resume::Afresh;
use crate::resume::handover::Whereabouts;
use crate::resume::token::Token;
use crate::session::id::SessionId;
use crate::shard::directory::Directory;

/// Where to look for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is this one of this server, if it is there.
    Here(SessionId),
    /// It is packed for another node, which was not given all of it.
    Packed,
    /// On this node of the cluster, if it is anywhere.
    On(u64),
}

pub(crate) fn find(directory: &Directory, token: &Token) -> Result<Found, Afresh> {
    let node = directory.node.as_ref();
    // A token that was made here may be that of a session which is elsewhere by now, and the other
    // way round.
    match node.and_then(|_| directory.hand_overs.find(token)) {
        Some(Whereabouts::Here(id)) => return Ok(Found::Here(id)),
        Some(Whereabouts::Packed) => return Ok(Found::Packed),
        Some(Whereabouts::At(node)) => return Ok(Found::On(node)),
        Some(Whereabouts::Nowhere) => return Err(Afresh::Unknown),
        None => {}
    }
    if directory.mint.made(token) {
        let id = token.session();
        let is_here = id.shard() < directory.shard_count();
        return is_here.then_some(Found::Here(id)).ok_or(Afresh::Unknown);
    }
    let other = node.and_then(|node| node.nodes.beginning_with(token.server()));
    other.map(Found::On).ok_or(Afresh::OtherServer)
}
