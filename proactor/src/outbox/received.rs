//! Received packets that are sent on as they lie in their buffers.

use overlapped::buf::Packet;

use super::memory::SendMemory;
use super::take::Taken;

/// Those that wait for one peer, in order.
#[derive(Debug, Default)]
pub(super) struct Received(Vec<Packet>);

impl Received {
    pub(super) fn push(&mut self, packet: Packet) {
        let apart = match self.0.last_mut() {
            Some(last) => last.join(packet).err(),
            None => Some(packet),
        };
        self.0.extend(apart);
    }

    /// Takes all of them, to be sent in one operation.
    pub(super) fn take(&mut self, memory: &mut SendMemory) -> Option<Taken> {
        match self.0.len() {
            0 => None,
            1 => self.0.pop().map(Taken::Packet),
            _ => Some(Taken::Packets(std::mem::replace(&mut self.0, memory.packets()))),
        }
    }
}
