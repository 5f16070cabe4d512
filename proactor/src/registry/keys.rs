//! Which sessions have which key. A key is in the table as long as a session has it.

use std::fmt;

use super::MOST_NAME_BYTES;
use super::striped::Striped;
use crate::error::SendError;
use crate::session::id::SessionId;

/// Sessions that may share a key: what is done to a key is done to each.
const MOST_SHARING: usize = 256;

/// What becomes of a [key](crate::Session::identify) that other sessions have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IfTaken {
    /// It stays theirs: [`IdentifyError::Taken`].
    #[default]
    Refuse,
    /// It is taken from them. They are closed gracefully, as
    /// [`Replaced`](crate::CloseReason::Replaced).
    Replace,
    /// They share it: at most 256 sessions.
    Share,
}

/// Why a session was not given a key. It keeps the one that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentifyError {
    /// The session has ended, or is being closed.
    Closed,
    /// The key has more than 1,024 bytes.
    TooLong,
    /// Another session has it: this one, or some more.
    Taken(SessionId),
    /// A session on another node of the [cluster](crate::cluster) has it.
    TakenElsewhere,
    /// The cluster has not answered in time: its records cannot be reached, or the node that has
    /// the key does not answer, and its lease has not run out.
    Unreachable,
    /// 256 sessions share it already, or sessions on 64 nodes of the cluster.
    TooMany,
    /// A session that has it could not be told that it is replaced: the mailbox of its shard is
    /// full. Or too many sessions wait for an answer of the cluster. Try again later.
    Full,
}

impl fmt::Display for IdentifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentifyError::Closed => f.write_str("the session is closed"),
            IdentifyError::TooLong => write!(f, "a key must have at most {MOST_NAME_BYTES} bytes"),
            IdentifyError::Taken(id) => write!(f, "{id:?} has this key"),
            IdentifyError::TakenElsewhere => f.write_str("a session on another node of the cluster has this key"),
            IdentifyError::Unreachable => {
                f.write_str("the cluster has not said in time whether this key is free; try again later")
            }
            IdentifyError::TooMany => write!(f, "{MOST_SHARING} sessions share this key already, or too many nodes"),
            IdentifyError::Full => f.write_str("the session that has this key cannot be told now; try again later"),
        }
    }
}

impl std::error::Error for IdentifyError {}

#[derive(Default)]
pub(crate) struct Keys(Striped<Vec<SessionId>>);

impl Keys {
    /// Gives a session a key. `replace` tells a session that it has lost it; it is called under a
    /// lock of the table.
    pub(crate) fn claim(
        &self,
        key: &[u8],
        id: SessionId,
        if_taken: IfTaken,
        mut replace: impl FnMut(SessionId) -> Result<(), SendError>,
    ) -> Result<(), IdentifyError> {
        if key.len() > MOST_NAME_BYTES {
            return Err(IdentifyError::TooLong);
        }
        self.0.update(key, |holders| {
            let held = holders.get_or_insert_default();
            let claimed = claim(held, id, if_taken, &mut replace);
            if held.is_empty() {
                *holders = None;
            }
            claimed
        })
    }

    /// A session has this key no longer.
    pub(crate) fn release(&self, key: &[u8], id: SessionId) {
        self.0.update(key, |holders| {
            if let Some(held) = holders {
                held.retain(|holder| *holder != id);
                if held.is_empty() {
                    *holders = None;
                }
            }
        });
    }

    /// Takes a key from all sessions that have it.
    pub(crate) fn take(&self, key: &[u8]) -> Vec<SessionId> {
        self.0.update(key, Option::take).unwrap_or_default()
    }

    /// The session that has a key; of several, the one that was given it last.
    pub(crate) fn find(&self, key: &[u8]) -> Option<SessionId> {
        self.0.read(key, |held| held.and_then(|held| held.last().copied()))
    }

    pub(crate) fn find_all(&self, key: &[u8]) -> Vec<SessionId> {
        self.0.read(key, |held| held.cloned().unwrap_or_default())
    }

    pub(crate) fn has(&self, key: &[u8], id: SessionId) -> bool {
        self.0.read(key, |held| held.is_some_and(|held| held.contains(&id)))
    }

    /// How many keys sessions have.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn claim(
    held: &mut Vec<SessionId>,
    id: SessionId,
    if_taken: IfTaken,
    replace: &mut dyn FnMut(SessionId) -> Result<(), SendError>,
) -> Result<(), IdentifyError> {
    let other = held.iter().copied().find(|holder| *holder != id);
    match (if_taken, other) {
        (IfTaken::Refuse, Some(other)) if !held.contains(&id) => return Err(IdentifyError::Taken(other)),
        (IfTaken::Share, _) if !held.contains(&id) && held.len() >= MOST_SHARING => {
            return Err(IdentifyError::TooMany);
        }
        (IfTaken::Replace, Some(_)) => {
            while let Some(at) = held.iter().position(|holder| *holder != id) {
                // One whose shard has ended is gone.
                if replace(held[at]) == Err(SendError::Full) {
                    return Err(IdentifyError::Full);
                }
                held.remove(at);
            }
        }
        _ => {}
    }
    if !held.contains(&id) {
        held.push(id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use overlapped::table::Key;

    use super::*;

    fn id(slot: u32) -> SessionId {
        SessionId::new(0, Key::new(slot, 0))
    }

    fn claim(keys: &Keys, session: u32, if_taken: IfTaken) -> Result<Vec<SessionId>, IdentifyError> {
        let mut replaced = Vec::new();
        let claimed = keys.claim(b"key", id(session), if_taken, |other| {
            replaced.push(other);
            Ok(())
        });
        claimed.map(|()| replaced)
    }

    #[test]
    fn a_taken_key_is_refused_shared_or_replaced() {
        let keys = Keys::default();
        assert_eq!(claim(&keys, 1, IfTaken::Refuse), Ok(vec![]));
        assert_eq!(claim(&keys, 1, IfTaken::Refuse), Ok(vec![]), "its own is no other's");
        assert_eq!(claim(&keys, 2, IfTaken::Refuse), Err(IdentifyError::Taken(id(1))));
        assert_eq!(claim(&keys, 2, IfTaken::Share), Ok(vec![]));
        assert_eq!((keys.find(b"key"), keys.find_all(b"key")), (Some(id(2)), vec![id(1), id(2)]));
        assert_eq!(claim(&keys, 1, IfTaken::Refuse), Ok(vec![]), "it has it");
        assert_eq!(claim(&keys, 2, IfTaken::Replace), Ok(vec![id(1)]));
        assert_eq!(claim(&keys, 3, IfTaken::Replace), Ok(vec![id(2)]));
        keys.release(b"key", id(2));
        assert!(keys.has(b"key", id(3)) && keys.len() == 1, "who was replaced takes nothing away");
        keys.release(b"key", id(3));
        assert_eq!((keys.find(b"key"), keys.len()), (None, 0));
    }

    #[test]
    fn who_cannot_be_told_keeps_the_key_and_a_failed_claim_leaves_nothing() {
        let keys = Keys::default();
        (1..4).for_each(|session| drop(claim(&keys, session, IfTaken::Share).unwrap()));
        let full = keys.claim(b"key", id(9), IfTaken::Replace, |other| match other == id(2) {
            true => Err(SendError::Full),
            false => Ok(()),
        });
        assert_eq!((full, keys.find_all(b"key")), (Err(IdentifyError::Full), vec![id(2), id(3)]));
        assert_eq!(keys.claim(b"key", id(9), IfTaken::Replace, |_| Err(SendError::Closed)), Ok(()));
        assert_eq!(keys.find_all(b"key"), [id(9)], "those of a shard that has ended are gone");
        assert_eq!(keys.claim(&[0; 1025], id(1), IfTaken::Share, |_| Ok(())), Err(IdentifyError::TooLong));
        assert_eq!(keys.len(), 1);
    }

    #[test]
    fn so_many_share_a_key() {
        let keys = Keys::default();
        (0..256).for_each(|session| drop(claim(&keys, session, IfTaken::Share).unwrap()));
        assert_eq!(claim(&keys, 256, IfTaken::Share), Err(IdentifyError::TooMany));
        assert_eq!(claim(&keys, 255, IfTaken::Share), Ok(vec![]));
    }
}
