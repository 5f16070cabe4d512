//! What one send takes of what is queued.

use overlapped::buf::Packet;
use overlapped::log::{Gather, LogSlice};

use super::own::OwnBytes;
use super::positions::Positions;
use crate::group::domain::BroadcastHeader;
use crate::group::local::LocalGroups;
use crate::session::id::SessionId;

/// What an outbox gives to be sent in one operation.
#[derive(Debug)]
pub(crate) enum Taken {
    Bytes(Vec<u8>),
    Packet(Packet),
    Packets(Vec<Packet>),
    Slice(LogSlice<BroadcastHeader>),
    Gather(Gather<BroadcastHeader>),
}

impl Taken {
    /// The bytes, if they lie in one piece.
    #[inline]
    pub(crate) fn one_piece(&self) -> Option<&[u8]> {
        match self {
            Taken::Bytes(bytes) => Some(bytes),
            Taken::Packet(packet) => Some(packet),
            Taken::Slice(slice) => Some(slice.as_ref()),
            Taken::Packets(_) | Taken::Gather(_) => None,
        }
    }

    /// Appends its bytes.
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Taken::Packets(packets) => packets.iter().for_each(|packet| bytes.extend_from_slice(packet)),
            Taken::Gather(gather) => gather.iter().for_each(|piece| bytes.extend_from_slice(piece)),
            piece => bytes.extend_from_slice(piece.one_piece().unwrap_or_default()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Taken::Bytes(bytes) => bytes.len(),
            Taken::Packet(packet) => packet.len(),
            Taken::Packets(packets) => packets.iter().map(|packet| packet.len()).sum(),
            Taken::Slice(slice) => slice.len(),
            Taken::Gather(gather) => gather.len(),
        }
    }
}

/// Pieces of one send.
pub(super) const MOST_PIECES: usize = 64;

/// How much one send takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakeLimits {
    /// Only what was issued up to this stamp.
    pub(super) stamp: u64,
    /// Bytes, unless the first packet alone has more.
    bytes: usize,
    pieces: usize,
}

impl TakeLimits {
    pub(crate) fn new(stamp: u64, bytes: usize) -> TakeLimits {
        TakeLimits { stamp, bytes, pieces: MOST_PIECES }
    }

    /// All that was issued up to a stamp, for a session that closes.
    pub(crate) fn all(stamp: u64) -> TakeLimits {
        TakeLimits { stamp, bytes: usize::MAX, pieces: usize::MAX }
    }
}

/// Takes all that is queued if it is one piece of the log of one group. A member that says little
/// is mostly sent that.
pub(super) fn slice(
    own: &OwnBytes,
    positions: &mut Positions,
    limits: TakeLimits,
    groups: &LocalGroups,
) -> Option<LogSlice<BroadcastHeader>> {
    if own.len() > 0 {
        return None;
    }
    let mut behind = positions.behind_mut();
    let position = behind.next()?;
    if behind.next().is_some() || position.behind > limits.bytes {
        return None;
    }
    let group = groups.at(position.group())?;
    if group.counted_stamp() > limits.stamp {
        return None;
    }
    // If it has more bytes, some of them are withheld from this member.
    let slice = group.slice_from(position.next).filter(|slice| slice.len() == position.behind)?;
    position.advance(group.counted(), slice.len(), groups);
    Some(slice)
}

/// Takes private bytes and records in the order of their stamps. Returns how far the private bytes
/// in the gather are taken.
pub(super) fn gather(
    own: &mut OwnBytes,
    positions: &mut Positions,
    id: SessionId,
    limits: TakeLimits,
    groups: &LocalGroups,
    gather: &mut Gather<BroadcastHeader>,
) -> usize {
    let (buffer, mut at) = own.take_buffer();
    gather.set_own(buffer);
    let mut taken = 0;
    while gather.pieces() < limits.pieces {
        let own_stamp = own.first().map_or(u64::MAX, |run| run.stamp);
        let limit = own_stamp.min(limits.stamp);
        let oldest = positions.oldest(id, groups).filter(|first| first.stamp <= limit);
        if let Some(first) = oldest {
            // As far as nothing else comes in between.
            let next = positions.oldest_elsewhere(first.at, id, groups).map_or(u64::MAX, |stamp| stamp - 1);
            let bound = limit.min(next).max(first.stamp);
            let position = positions.at_mut(first.at);
            let group = groups.at(position.group()).expect("it gave a record just now");
            let mut to = first.number;
            let mut bytes = 0;
            for record in group.reader.records(first.number..group.counted()) {
                let over = taken + bytes > 0 && taken + bytes + record.bytes > limits.bytes;
                if record.mark.except == Some(id) || record.mark.stamp > bound || over {
                    break;
                }
                to = record.number + 1;
                bytes += record.bytes;
            }
            if to == first.number {
                break;
            }
            group.reader.slices(first.number..to).for_each(|slice| gather.push_slice(slice));
            position.advance(to, bytes, groups);
            taken += bytes;
        } else if let Some(run) =
            own.first().filter(|run| run.stamp <= limits.stamp && (taken == 0 || taken + run.bytes <= limits.bytes))
        {
            let range = own.take_first(at);
            at = range.end;
            gather.push_own(range);
            taken += run.bytes;
        } else {
            break;
        }
    }
    at
}
