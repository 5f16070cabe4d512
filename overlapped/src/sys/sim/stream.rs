//! One end of a connection: what has arrived and was not yet received, and what it has sent and is
//! still on its way.

use std::collections::VecDeque;

use crate::flags::{Direction, ShutdownHow};
use crate::table::Key;
use crate::time::Time;

use super::codes;
use super::socket::{Item, Role, StreamEnd};
use super::state::{Happening, State, word};

/// The most bytes that travel as one piece.
const PIECE_BYTES: usize = 16 * 1024;

/// What a receive finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Bytes(Vec<u8>),
    /// The end of the stream.
    End,
    Failed(i32),
}

/// The first `bytes` bytes.
fn first(queue: &VecDeque<u8>, bytes: usize) -> Vec<u8> {
    let (front, back) = queue.as_slices();
    let (front, rest) = front.split_at_checked(bytes).unwrap_or((front, &back[..bytes.saturating_sub(front.len())]));
    if front.len() == bytes { front.to_vec() } else { [front, rest].concat() }
}

impl State {
    fn end(&mut self, id: Key) -> Option<&mut StreamEnd> {
        match &mut self.sockets.get_mut(id)?.role {
            Role::Stream(end) => Some(end),
            _ => None,
        }
    }

    /// Sends a piece on its way.
    pub(super) fn post(&mut self, from: Key, item: Item) {
        let Some(end) = self.end(from) else { return };
        end.under_way.push_back(item);
        self.goes_on(from);
    }

    /// Plans the arrival of one more of the pieces on their way.
    pub(super) fn goes_on(&mut self, from: Key) {
        let at = self.arrival_on(from);
        let Some(end) = self.end(from) else { return };
        // Never at the same moment as the piece before it: things of one moment happen in any
        // order.
        let at = at.max(Time::from_nanos(end.last_arrival.as_nanos() + 1));
        end.last_arrival = at;
        self.plan(at, Happening::Arrival { from });
    }

    /// The next piece of an end arrives at its peer.
    pub(super) fn arrive(&mut self, from: Key) {
        let Some(end) = self.end(from) else { return };
        let to = end.other;
        // If there is none, a reset has removed the piece.
        let Some(item) = end.under_way.pop_front() else { return };
        match item {
            Item::SynAck => self.shaken_hands(from, to),
            Item::Ack => {
                if let Some(listener) = self.end(to).and_then(|end| end.listener.take()) {
                    self.opened(to, listener);
                }
            }
            Item::Data(bytes) => {
                self.trace.bytes(&bytes);
                let closed = self.sockets.get(to).is_none_or(|socket| socket.closed);
                let Some(end) = self.end(to) else { return };
                if closed {
                    if !end.reset_sent && !end.reset {
                        end.reset_sent = true;
                        self.post(to, Item::Reset);
                    }
                    return;
                }
                if !end.reset {
                    end.arrived.extend(bytes);
                    self.mark(to, Direction::Receive);
                }
            }
            Item::Fin => {
                if let Some(end) = self.end(to) {
                    end.ended = true;
                    self.mark(to, Direction::Receive);
                }
            }
            Item::Reset => {
                if let Some(end) = self.end(to) {
                    end.reset = true;
                    self.mark(to, Direction::Receive);
                    self.mark(to, Direction::Send);
                }
            }
        }
    }

    /// The listener's answer has arrived at the client.
    fn shaken_hands(&mut self, server: Key, client: Key) {
        let connect = self.sockets.get(server).map_or(0, |socket| socket.connect);
        let connecting = self.is_connecting(client, connect);
        match self.sockets.get_mut(client) {
            Some(socket) if connecting => {
                socket.role = Role::Stream(StreamEnd::new(server, None));
                self.post(client, Item::Ack);
                self.mark(client, Direction::Send);
                self.mark(client, Direction::Receive);
            }
            // The client has closed since, or its connect was cancelled.
            _ => {
                if let Some(listener) = self.end(server).and_then(|end| end.listener) {
                    self.forget_half_open(server, listener);
                }
            }
        }
    }

    pub(super) fn has_room_again(&mut self, to: Key, bytes: usize) {
        if let Some(end) = self.end(to) {
            end.outstanding = end.outstanding.saturating_sub(bytes);
            self.mark(to, Direction::Send);
        }
    }

    /// Receives up to `most` bytes. 0 asks whether anything could be received. With `peek` they
    /// stay.
    pub(super) fn receive(&mut self, id: Key, most: usize, peek: bool) -> Found {
        let short = self.random.once_in(self.config.short_receives);
        let spread = self.random.next();
        let Some(end) = self.end(id) else {
            return match self.sockets.get(id).map(|socket| &socket.role) {
                Some(Role::Connecting) => Found::Nothing,
                _ => Found::Failed(codes::NOT_CONNECTED),
            };
        };
        if end.arrived.is_empty() {
            return match end {
                _ if end.reset => Found::Failed(codes::RESET),
                _ if end.ended || end.deaf => Found::End,
                _ => Found::Nothing,
            };
        }
        let mut bytes = most.min(end.arrived.len());
        // A peek is never short: a program that peeks until it sees more would wait for ever.
        if short && !peek && bytes > 1 {
            bytes = 1 + (spread % (bytes as u64 - 1)) as usize;
        }
        let found = first(&end.arrived, bytes);
        if peek {
            return Found::Bytes(found);
        }
        end.arrived.drain(..bytes);
        end.unannounced += bytes;
        self.announce_room(id);
        Found::Bytes(found)
    }

    /// Tells the peer that there is room again: when there is enough for a worthwhile send, or when
    /// nothing more is coming. Otherwise a few bytes of room would lead to sends of a few bytes,
    /// for ever.
    fn announce_room(&mut self, id: Key) {
        let enough = self.sockets.get(id).map_or(1, |socket| socket.receive_bytes.div_ceil(4));
        let Some(end) = self.end(id) else { return };
        let (to, bytes, waits) = (end.other, end.unannounced, !end.arrived.is_empty());
        let more = waits || self.end(to).is_some_and(|peer| !peer.under_way.is_empty());
        if bytes == 0 || bytes < enough && more {
            return;
        }
        if let Some(end) = self.end(id) {
            end.unannounced = 0;
        }
        let at = self.arrival_on(id);
        self.plan(at, Happening::Room { to, bytes });
    }

    /// How many of `wanted` bytes a send would take now: none, if there is no room. Only some, now
    /// and then, if it `may_be_short`.
    pub(super) fn room(&mut self, id: Key, wanted: usize, may_be_short: bool) -> Result<usize, i32> {
        let short = may_be_short && self.random.once_in(self.config.short_sends);
        let spread = self.random.next();
        let own = self.sockets.get(id).map_or(0, |socket| socket.send_bytes);
        let Some(end) = self.end(id) else { return Err(codes::NOT_CONNECTED) };
        if end.reset || end.reset_sent {
            return Err(codes::RESET);
        }
        if end.fin_sent {
            return Err(codes::SHUT);
        }
        let (other, outstanding) = (end.other, end.outstanding);
        let peers = self.sockets.get(other).map_or(0, |socket| socket.receive_bytes);
        let bytes = wanted.min((own + peers).saturating_sub(outstanding));
        Ok(if short && bytes > 1 { 1 + (spread % (bytes as u64 - 1)) as usize } else { bytes })
    }

    /// Sends bytes for which there is room.
    pub(super) fn send(&mut self, id: Key, bytes: &[u8]) {
        let Some(end) = self.end(id) else { return };
        end.outstanding += bytes.len();
        let most = self.piece_bytes(id, PIECE_BYTES);
        for piece in bytes.chunks(most) {
            self.post(id, Item::Data(piece.to_vec()));
        }
    }

    pub(super) fn shut_down(&mut self, id: Key, how: ShutdownHow) -> Result<(), i32> {
        let Some(end) = self.end(id).filter(|end| !end.reset) else { return Err(codes::NOT_CONNECTED) };
        if how != ShutdownHow::Send {
            end.deaf = true;
            self.mark(id, Direction::Receive);
        }
        if how != ShutdownHow::Receive {
            self.end_stream(id);
        }
        Ok(())
    }

    fn end_stream(&mut self, id: Key) {
        if let Some(end) = self.end(id)
            && !std::mem::replace(&mut end.fin_sent, true)
        {
            self.post(id, Item::Fin);
        }
    }

    /// The handle of a socket is gone.
    pub(super) fn close(&mut self, id: Key) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        self.trace.words(&[12, self.now.as_nanos(), word(id), socket.reset_on_close.into()]);
        if let Some((host, slot)) = socket.owner.take()
            && let Some(host) = self.hosts.get_mut(&host)
        {
            host.ready.remove(&(slot, Direction::Receive));
            host.ready.remove(&(slot, Direction::Send));
        }
        match &socket.role {
            Role::Fresh | Role::Connecting | Role::Failed(_) => self.remove(id),
            Role::Listener(_) => self.unlisten(id),
            Role::Datagrams(_) => self.close_datagrams(id),
            Role::Stream(end) => {
                let over = end.reset || end.reset_sent;
                if !over && (socket.reset_on_close || !end.arrived.is_empty()) {
                    self.abandon(id);
                } else {
                    if !over {
                        self.end_stream(id);
                    }
                    self.closed(id);
                }
            }
        }
    }

    /// Resets a connection and closes this end of it.
    pub(super) fn abandon(&mut self, id: Key) {
        let keep = self.random.next();
        let Some(end) = self.end(id) else { return };
        // An arbitrary part of what is on its way is lost, but nothing of the handshake.
        let shakes = end.under_way.iter().take_while(|item| matches!(item, Item::SynAck | Item::Ack)).count();
        let keep = shakes + (keep % (end.under_way.len() - shakes + 1) as u64) as usize;
        end.under_way.truncate(keep);
        end.reset_sent = true;
        self.post(id, Item::Reset);
        self.closed(id);
    }

    /// This end is closed. When both are, nothing that happens between them can be observed.
    fn closed(&mut self, id: Key) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        socket.closed = true;
        let Role::Stream(end) = &mut socket.role else { return };
        end.arrived = VecDeque::new();
        let other = end.other;
        if self.sockets.get(other).is_none_or(|other| other.closed) {
            self.remove(id);
            self.remove(other);
        }
    }

    fn remove(&mut self, id: Key) {
        if let Some(socket) = self.sockets.remove(id)
            && let Some(local) = socket.local.filter(|_| !socket.accepted)
        {
            self.clients.remove(&(local.port(), local.ip()));
        }
    }
}
