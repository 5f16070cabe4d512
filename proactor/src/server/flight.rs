//! The last events of a server's shards, for any thread.

use super::handle::Handle;
use crate::flight::FlightEvent;
use crate::session::id::SessionId;

impl<M> Handle<M> {
    /// The last events of all shards, the oldest first; `None` if the server has no
    /// [flight recorder](crate::Builder::flight_recorder). No shard is asked: this answers also
    /// while one hangs in its logic, and when the server has ended.
    ///
    /// It copies all of them. An event that a shard overwrites at this moment is left out.
    pub fn flight_events(&self) -> Option<Vec<FlightEvent>> {
        let directory = &self.directory;
        directory.has_flight().then(|| {
            let shards = 0..directory.shard_count();
            let mut events: Vec<_> = shards.flat_map(|shard| directory.flight_events(shard, None)).collect();
            // Stable: those of one shard stay in their order.
            events.sort_by_key(FlightEvent::at);
            events
        })
    }

    /// The last events of one session, also of one that has ended; `None` if the server has no
    /// [flight recorder](crate::Builder::flight_recorder).
    pub fn flight_events_of(&self, id: SessionId) -> Option<Vec<FlightEvent>> {
        let directory = &self.directory;
        directory.has_flight().then(|| directory.flight_events(id.shard(), Some(id)))
    }
}
