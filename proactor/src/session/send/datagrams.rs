//! Packets of sessions over datagrams.

use super::super::id::SessionId;
use crate::datagrams::ports::Ports;
use crate::outbox::Taken;
use crate::shard::state::ShardState;

/// Queues packets to be sent as datagrams at the end of the turn.
#[cold]
pub(super) fn queue_datagrams(state: &mut ShardState, slot: u32, taken: Taken) {
    let ShardState { sessions, datagrams, send_memory, .. } = state;
    let (Some((id, record, _)), Some(ports)) = (sessions.at_to_send(slot), datagrams) else { return };
    record.sending = true;
    match taken {
        Taken::Bytes(bytes) => {
            ports.queue(id, std::iter::once(&bytes[..]));
            send_memory.keep(bytes);
        }
        // Not here: a datagram has its length before it, so it is not sent on as it came.
        Taken::Packet(packet) => ports.queue(id, std::iter::once(&packet[..])),
        Taken::Packets(packets) => ports.queue(id, packets.iter().map(|packet| &packet[..])),
        Taken::Slice(slice) => ports.queue(id, std::iter::once(slice.as_ref())),
        Taken::Gather(gather) => {
            ports.queue(id, gather.iter());
            send_memory.keep_gather(gather);
        }
    }
}

/// How many of a session's bytes its port has taken since this was asked last.
#[cold]
pub(super) fn taken_by_port(datagrams: &mut Option<Box<Ports>>, id: SessionId) -> usize {
    datagrams.as_mut().map_or(0, |ports| ports.taken(id))
}
