//! The record of a key: which nodes have sessions with it.
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | version, 1 |
//! | and for each node: 8 | its number; big-endian, as all numbers |
//! | 4 | the epoch of its lease |
//! | 1 | 1 if it shares the key, 0 if not |
//! | 2, 4, 4 | the session that was given the key last: shard, slot, generation |
//! | 1 | length of the node's name, 1 to 64 |
//! | that | the name, in UTF-8 |

use std::sync::Arc;

use bytes::Bytes;
use overlapped::table::Key;

use crate::session::id::SessionId;

const VERSION: u8 = 1;
/// Nodes that may share a key.
pub(super) const MOST_HOLDERS: usize = 64;

/// A node that has a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) node: u64,
    pub(super) epoch: u32,
    pub(super) is_shared: bool,
    pub(super) session: SessionId,
    pub(super) name: Arc<str>,
}

pub(super) fn encode(holders: &[Holder]) -> Bytes {
    let mut bytes = vec![VERSION];
    for Holder { node, epoch, is_shared, session, name } in holders {
        bytes.extend_from_slice(&node.to_be_bytes());
        bytes.extend_from_slice(&epoch.to_be_bytes());
        bytes.push(u8::from(*is_shared));
        encode_session(*session, &mut bytes);
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
    }
    bytes.into()
}

pub(super) fn encode_session(session: SessionId, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&session.shard().to_be_bytes());
    bytes.extend_from_slice(&session.slot().to_be_bytes());
    bytes.extend_from_slice(&session.key().generation().to_be_bytes());
}

pub(super) fn split_session(bytes: &[u8]) -> Option<(SessionId, &[u8])> {
    let (shard, rest) = bytes.split_first_chunk()?;
    let (slot, rest) = rest.split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    let key = Key::new(u32::from_be_bytes(*slot), u32::from_be_bytes(*generation));
    Some((SessionId::new(u16::from_be_bytes(*shard), key), rest))
}

/// `None`: no node has written this.
pub(super) fn parse(bytes: &[u8]) -> Option<Vec<Holder>> {
    let (version, mut rest) = bytes.split_first()?;
    let mut holders = Vec::new();
    while !rest.is_empty() {
        let (holder, behind) = split_holder(rest)?;
        holders.push(holder);
        rest = behind;
    }
    (*version == VERSION && holders.len() <= MOST_HOLDERS).then_some(holders)
}

fn split_holder(bytes: &[u8]) -> Option<(Holder, &[u8])> {
    let (node, rest) = bytes.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (is_shared, rest) = rest.split_first()?;
    let (session, rest) = split_session(rest)?;
    let (len, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*len))?;
    let holder = Holder {
        node: u64::from_be_bytes(*node),
        epoch: u32::from_be_bytes(*epoch),
        is_shared: *is_shared == 1,
        session,
        name: std::str::from_utf8(name).ok()?.into(),
    };
    Some((holder, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_parsed_and_what_is_cut_is_refused() {
        let holder = |node: u64, name: &str| Holder {
            node,
            epoch: 7,
            is_shared: node == 2,
            session: SessionId::new(3, Key::new(u32::MAX, 9)),
            name: name.into(),
        };
        let holders = [holder(1, "eu-1"), holder(2, "eu-2")];
        let bytes = encode(&holders);
        assert_eq!(parse(&bytes).as_deref(), Some(&holders[..]));
        let first = encode(&holders[..1]).len();
        for len in 0..bytes.len() {
            let holders = parse(&bytes[..len]).map(|holders| holders.len());
            let expected = if len == 1 { Some(0) } else { (len == first).then_some(1) };
            assert_eq!(holders, expected, "of {len} bytes");
        }
        assert_eq!(parse(&[2]), None);
        assert_eq!(parse(&encode(&vec![holder(1, "n"); MOST_HOLDERS + 1])), None);
    }
}
