//! A game's tick over datagrams, and over TCP for those who cannot: a player that sends a position
//! hears of all positions twenty times a second.
//!
//! ```console
//! cargo run -p proactor --example datagram_tick
//! ```
//!
//! A player of the datagram port proves its address before it has a session, so that nobody can
//! have the world sent to a victim: `CookieClient` in Rust, or in Python
//!
//! ```python
//! import os, socket
//! s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
//! s.connect(("127.0.0.1", 7001))
//! nonce = os.urandom(8)
//! s.send(b"PRACTOR\1" + nonce + bytes(16))
//! cookie = s.recv(32)[16:]
//! s.send(b"PRACTOR\3" + nonce + cookie)
//! assert s.recv(32)[:8] == b"PRACTOR\4"
//! s.send(b"\0\1\0\2")                          # x and y
//! while True:
//!     print(s.recv(1472).hex())
//! ```
//!
//! (A whole client sends unanswered datagrams again: they get lost.)

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::codec::LengthPrefixed;
use proactor::{
    CloseReason, Datagrams, Flow, Group, Handle, Handler, Listener, NoMessage, Server, Session, SessionId, ShardHandle,
    Signals,
};

const TICK: Duration = Duration::from_millis(50);
/// Positions in one datagram.
const MOST_PLAYERS: usize = 300;

/// Two coordinates of two bytes each.
type Position = [u8; 4];

/// Where everybody is.
#[derive(Clone, Default)]
struct World {
    positions: Arc<Mutex<Vec<(SessionId, Position)>>>,
    players: Group,
}

impl Handler for World {
    type State = ();
    type Message = NoMessage;

    fn started(&mut self, shard: &ShardHandle, _: &Handle) {
        // One shard ticks for all.
        if shard.index() == 0 {
            let _ = shard.after(TICK, 0);
        }
    }

    fn connected(&mut self, session: &Session) {
        let _ = session.join(&self.players);
    }

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let Ok(position) = packet.try_into() else { return Flow::Close };
        let mut positions = self.positions.lock().expect("nobody panics while it is locked");
        // The last that came counts: datagrams overtake each other, and a real game numbers them.
        positions.retain(|(player, _)| *player != session.id());
        if positions.len() == MOST_PLAYERS {
            return Flow::Close;
        }
        positions.push((session.id(), position));
        Flow::Continue
    }

    fn closed(&mut self, id: SessionId, (): (), _: &CloseReason) {
        self.positions.lock().expect("nobody panics while it is locked").retain(|(player, _)| *player != id);
    }

    fn shard_timer(&mut self, shard: &ShardHandle, token: u64) {
        let positions = self.positions.lock().expect("nobody panics while it is locked");
        let world: Vec<u8> = positions.iter().flat_map(|(_, position)| *position).collect();
        drop(positions);
        let _ = self.players.broadcast(&world);
        let _ = shard.after(TICK, token);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quick = Datagrams::new().cookies(true).idle(Duration::from_secs(10));
    let server = Server::builder()
        .codec(LengthPrefixed::u16())
        .listen("127.0.0.1:7000")
        .listen(Listener::datagrams("127.0.0.1:7001").datagram_settings(quick))
        .start(World::default())?;
    for address in server.local_addrs() {
        println!("listening on {address}");
    }
    Ok(server.run_until(Signals::new()?)?)
}
