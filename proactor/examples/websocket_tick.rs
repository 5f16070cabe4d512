//! A game for browsers: players push their dot about, and 20 times a second everybody is sent where
//! all dots are.
//!
//! ```text
//! cargo run -p proactor --features websocket --example websocket_tick -- 127.0.0.1:8080
//! ```
//!
//! In a browser's console, on any page (this example lets every origin in):
//!
//! ```text
//! game = new WebSocket("ws://127.0.0.1:8080/game?name=ann", "dots.v1")
//! game.onmessage = event => console.log(event.data)
//! game.send("right")
//! ```
//!
//! A push only changes the plan. The tick moves the world, and broadcasts it as one frame for all.
//! A player whose connection is slow skips old worlds instead of being late for ever.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use proactor::{
    CloseCode, CloseReason, Flow, Group, Handle, Handler, Listener, MessageKind, NoMessage, Server, Session, SessionId,
    ShardHandle, Signals, SlowConsumer, Time, Timeouts, WebSocket,
};

const TICK: Duration = Duration::from_millis(50);
const SIZE: i32 = 1000;

#[derive(Clone, Default)]
struct Game {
    players: Group,
    dots: BTreeMap<SessionId, Dot>,
    next_tick: Option<Time>,
}

#[derive(Clone)]
struct Dot {
    name: String,
    place: (i32, i32),
    push: (i32, i32),
}

impl Handler for Game {
    type State = ();
    type Message = NoMessage;

    fn started(&mut self, shard: &ShardHandle, _: &Handle) {
        self.plan(shard, shard.now() + TICK);
    }

    fn connected(&mut self, session: &Session) {
        let query = session.upgrade().and_then(|upgrade| upgrade.query().map(str::to_owned));
        let name = query.as_deref().and_then(|query| query.strip_prefix("name=")).unwrap_or("nobody");
        let dot = Dot { name: name.chars().take(20).collect(), place: (0, 0), push: (0, 0) };
        self.dots.insert(session.id(), dot);
        session.join(&self.players).expect("a new session can join its first group");
    }

    fn received(&mut self, session: &Session, (): &mut (), message: &[u8]) -> Flow {
        let Some(dot) = self.dots.get_mut(&session.id()) else { return Flow::Close };
        dot.push = match message {
            b"left" => (-1, 0),
            b"right" => (1, 0),
            b"up" => (0, -1),
            b"down" => (0, 1),
            b"stop" => (0, 0),
            _ => {
                let what = if session.packet_kind() == MessageKind::Text { "word" } else { "message" };
                session.close_with(CloseCode::POLICY, &format!("an unknown {what}"));
                return Flow::Continue;
            }
        };
        Flow::Continue
    }

    fn shard_timer(&mut self, shard: &ShardHandle, _: u64) {
        let mut world = String::new();
        for Dot { name, place, push } in self.dots.values_mut() {
            place.0 = (place.0 + push.0).rem_euclid(SIZE);
            place.1 = (place.1 + push.1).rem_euclid(SIZE);
            let _ = writeln!(world, "{name} {} {}", place.0, place.1);
        }
        if !self.dots.is_empty() {
            let _ = self.players.broadcast(world.as_bytes());
        }
        // By the clock, so that a late tick does not shift those behind it.
        let last = self.next_tick.unwrap_or_else(|| shard.now());
        self.plan(shard, last + TICK);
    }

    fn closed(&mut self, id: SessionId, (): (), _: &CloseReason) {
        self.dots.remove(&id);
    }
}

impl Game {
    fn plan(&mut self, shard: &ShardHandle, at: Time) {
        self.next_tick = Some(at);
        let _ = shard.after(at.since(shard.now()), 0);
    }
}

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    match serve(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    // The world's text is sent as text; what players send is short.
    let websocket = WebSocket::new().path("/game").any_origin().protocols(["dots.v1"]).text().max_message(64 * 1024);
    let signals = Signals::new()?;
    let server = Server::builder()
        .listen(Listener::new(address.to_owned()).websocket(websocket))
        // The world belongs to one shard.
        .shards(1)
        .slow_consumer(SlowConsumer::DropOldest)
        .timeouts(Timeouts::new().heartbeat(Duration::from_secs(20)).receive(Duration::from_secs(60)))
        .start(Game::default())?;
    say(&format!("listening on {}", server.local_addrs()[0]));
    Ok(server.run_until(signals)?)
}

/// To a reader that has gone, nothing is said.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
