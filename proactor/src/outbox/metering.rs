//! What a meter is told of an outbox.

use super::Outbox;
use crate::meter::ListenerMeter;

impl Outbox {
    /// Tells a meter how many bytes there are now, and the packets that were appended.
    pub(crate) fn tell(&mut self, meter: &ListenerMeter) {
        self.tell_but(meter, 0);
    }

    /// As [`tell`](Outbox::tell), without so many bytes of a send that has ended.
    pub(crate) fn tell_but(&mut self, meter: &ListenerMeter, bytes: usize) {
        meter.sent_packets.add(u64::from(std::mem::take(&mut self.appended)));
        self.told = meter.depth(self.told, self.len() - bytes);
    }

    /// Tells a meter that what is left goes with its session.
    pub(crate) fn tell_end(&mut self, meter: &ListenerMeter) {
        self.tell_but(meter, self.len());
    }
}
