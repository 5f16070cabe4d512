//! Packets that stand for their key: only the newest counts.

use super::Session;
use super::close_if_too_slow;
use super::id::SessionId;
use super::send::{self, encode, hold_reading};
use crate::error::SendError;
use crate::limits::SlowConsumer;
use crate::shard::state::ShardState;

impl Session {
    /// Queues a packet in place of the packet of the same key that was queued by this before and
    /// still waits. For the state of a game, a price, a cursor: what a slow peer missed is old.
    ///
    /// A packet waits until a send starts: to the end of the shard's turn or, while a send is in
    /// flight, until that has ended. So a slow peer gets fewer packets, and of each key never an
    /// older one behind a newer one. The last of each key comes, also when the session is closed
    /// or shut down gracefully, or drained. [`abort`](Session::abort) cuts it.
    ///
    /// - **Order.** A packet leaves behind all that was queued before it or, if it replaces one,
    ///   before the first packet that it stands for. What is [sent](Session::send) or broadcast
    ///   later may leave before it. Packets of different keys leave in the order in which their
    ///   keys came.
    /// - **Limits.** What waits counts in [`queued`](Session::queued) and against the outbox's
    ///   limit, and holds reading as what is sent does. One that is not longer than what it
    ///   replaces always fits. Packets of 64 keys can wait.
    /// - **[`SlowConsumer`].** A packet that waits is not dropped for newer ones, and one that is
    ///   replaced is not counted as [dropped](Session::dropped). When a send starts while more
    ///   is queued than that takes, those that it leaves are from then on as if they were sent by
    ///   `send`: they are not replaced, and may be dropped.
    /// - **Frames.** The codec makes a packet's frame at once. The frame may be dropped, or leave
    ///   behind one that is made after it. A codec of yours whose frames build on each other (a
    ///   cipher, a compressor) cannot be used with this.
    ///
    /// To a [paired](Session::pair) session it is sent by `send`. A packet whose frame has no bytes
    /// does nothing.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use proactor::codec::LengthPrefixed;
    /// use proactor::{Flow, Handler, Network, NoMessage, Server, Session};
    ///
    /// /// Every byte is a step. The peer needs only the last position.
    /// #[derive(Clone)]
    /// struct Game;
    ///
    /// const POSITION: u64 = 1;
    ///
    /// impl Handler for Game {
    ///     type State = u64;
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) -> u64 {
    ///         0
    ///     }
    ///     fn received(&mut self, session: &Session, x: &mut u64, steps: &[u8]) -> Flow {
    ///         for _ in steps {
    ///             *x += 1;
    ///             if session.send_latest(POSITION, format!("at {x}").as_bytes()).is_err() {
    ///                 return Flow::Close;
    ///             }
    ///         }
    ///         Flow::Continue
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), proactor::ServerError> {
    /// let builder = Server::builder().listen("10.0.0.1:80").codec(LengthPrefixed::u16());
    /// let sim = builder.simulate(&Network::new(1), Game)?;
    /// let client = sim.client("10.0.0.1:80", LengthPrefixed::u16());
    /// client.send("........");
    /// client.expect("at 8");
    /// client.expect_nothing(Duration::from_secs(1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `TooManyKeys` if packets of 64 other keys wait; the rest as for [`send`](Session::send).
    /// Nothing is queued or replaced then.
    ///
    /// [`SlowConsumer`]: crate::SlowConsumer
    pub fn send_latest(&self, key: u64, packet: &[u8]) -> Result<(), SendError> {
        let mut state = self.state().borrow_mut();
        let stamp = send::stamp(&state, self.id().slot());
        match queue(&mut state, self.id(), key, packet, stamp) {
            Err(SendError::Full) => Err(close_if_too_slow(&mut state, self.id())),
            result => result,
        }
    }
}

/// Queues the frame of a packet that was issued after everything up to `stamp`, in place of the one
/// of its key that waits.
pub(crate) fn queue(
    state: &mut ShardState,
    id: SessionId,
    key: u64,
    packet: &[u8],
    stamp: u64,
) -> Result<(), SendError> {
    let ShardState { sessions, groups, timers, limits, outboxes, frame: memory, directory, meter, .. } = state;
    let limit = limits.outbox;
    let record = sessions.open(id).filter(|record| record.ends.takes_more()).ok_or(SendError::Closed)?;
    if record.partner().is_some() {
        return send::queue(state, id, packet, stamp);
    }
    let frame = match record.codec.frame(packet) {
        Some(frame) => frame,
        None => encode(packet, &mut record.codec, memory),
    };
    let frame = frame.map_err(SendError::Frame)?;
    let will_send = record.will_send();
    if !record.outbox.takes_latest(key) {
        return Err(SendError::TooManyKeys);
    }
    let outbox = record.outbox.get_or_take(outboxes);
    if limits.slow == SlowConsumer::DropOldest {
        let before = outbox.dropped();
        let more = frame.len().saturating_sub(outbox.latest_bytes(key));
        outbox.make_room(id, more, limit, groups.local());
        directory.count_dropped(id, record.activity.listener(), outbox.dropped() - before);
    }
    let pushed = match outbox.put_latest(key, frame, stamp, limit) {
        Ok(pushed) if pushed.bytes > 0 => pushed,
        not_queued => {
            record.outbox.give_back(outboxes);
            return not_queued.map(drop);
        }
    };
    timers.bytes_queued(id.slot(), &record.activity);
    if let Some(meter) = meter {
        send::meter_queued(meter, record);
    }
    if !will_send {
        sessions.send_later(id.slot());
    }
    if pushed.len >= limits.high() {
        hold_reading(state, id.slot());
    }
    Ok(())
}
