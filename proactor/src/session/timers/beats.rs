//! Which heartbeats had no answer.

use overlapped::table::grow;

use super::super::deadlines::tick;
use super::{Activity, Timers};

impl Timers {
    /// A heartbeat of a session is due. Says whether nothing has come from the peer since the one
    /// before. To be asked once for each, by a server that counts them: it takes memory.
    pub(crate) fn is_beat_missed(&mut self, slot: u32, activity: &Activity) -> bool {
        let now = tick(self.fair_now);
        grow(&mut self.beats, slot as usize, || None);
        let before = self.beats[slot as usize].replace(now);
        let Some(deadlines) = self.deadlines(slot, activity) else { return false };
        // A session of the slot before this one counts for nothing: this one began later.
        before.is_some_and(|before| !deadlines.has_received_since(before))
    }
}
