//! Members of every transport on a simulated network: the same seed gives the same order and times.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::codec::{LengthPrefixed, Lines};
use proactor::{
    Builder, Flow, Group, Handler, Limits, Listener, Network, NoMessage, Origin, Server, Session, SlowConsumer, Target,
    Time, WebSocket, WebSocketClient,
};

use crate::peers::{Authority, NAME};

const SECOND: Duration = Duration::from_secs(1);

/// What the other end of a connection heard, and when.
type Heard = (Time, u64, Vec<u8>);

/// Connects to itself. Who is accepted is a member, and the other ends say what they heard, when.
/// Some of these do not read for a while.
#[derive(Clone)]
struct Itself {
    network: Network,
    group: Group,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Handler for Itself {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        match session.origin() {
            Origin::Accepted => session.join(&self.group).unwrap(),
            Origin::Connected { token, .. } if token % 2 == 1 => {
                session.pause();
                session.after(SECOND * 5, 0).unwrap();
            }
            _ => {}
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        if let Origin::Connected { token, .. } = session.origin() {
            self.heard.lock().unwrap().push((self.network.now(), token, packet.to_vec()));
        }
        Flow::Continue
    }
    fn timer(&mut self, session: &Session, (): &mut (), _: u64) {
        session.resume();
    }
}

/// What a packet is: as a line, it is also a packet for who expects a length in front.
fn packet(number: usize, len: usize) -> Vec<u8> {
    let mut packet = format!("{:04}{number:06}", "").into_bytes();
    packet.resize(len - 1, b'x');
    packet[..4].copy_from_slice(&((len - 4) as u32).to_be_bytes());
    packet
}

/// A run: what was heard. `LEN` has no byte of an end of line in its length.
fn run(authority: &Authority, seed: u64, policy: SlowConsumer) -> Vec<Heard> {
    const LEN: usize = 3000;
    const PACKETS: usize = 300;
    let (network, tls, trusting) = (Network::new(seed), authority.tls(), authority.client());
    let listeners = [
        Listener::new("10.0.0.1:1"),
        Listener::new("10.0.0.1:2").codec(Lines::new()),
        Listener::new("10.0.0.1:3").websocket(WebSocket::new()),
        Listener::new("10.0.0.1:4").websocket(WebSocket::new().text().max_frame(1000)),
        Listener::new("10.0.0.1:5").tls(&tls),
        Listener::new("10.0.0.1:6").tls(&tls).codec(Lines::new()),
        Listener::new("10.0.0.1:7").tls(&tls).websocket(WebSocket::new()),
        Listener::new("10.0.0.1:8").tls(&tls).websocket(WebSocket::new().text().max_frame(1000)),
    ];
    let logic = Itself { network: network.clone(), group: Group::new(), heard: Arc::default() };
    let (group, heard) = (logic.group.clone(), Arc::clone(&logic.heard));
    let builder = Server::builder().shards(2).codec(LengthPrefixed::u32()).slow_consumer(policy);
    let builder = builder.limits(Limits::new().outbox_bytes(40 * LEN));
    let builder = listeners.into_iter().fold(builder, Builder::listen);
    let server = builder.simulate(&network, logic).unwrap();
    for token in 0..16 {
        let port = 1 + token % 8;
        let target = format!("10.0.0.1:{port}").parse::<Target>().unwrap();
        let target = if port > 4 { target.tls_as(&trusting, NAME) } else { target };
        let is_websocket = port % 4 == 3 || port % 4 == 0;
        let target = if is_websocket { target.websocket(&WebSocketClient::new("/")) } else { target };
        // The second eight are slow.
        server.handle().connect(target, token / 8 + 2 * token).unwrap();
    }
    server.advance(SECOND * 2);
    assert_eq!(group.len(), 16, "seed {seed}");
    for number in 0..PACKETS {
        group.broadcast(&packet(number, LEN)).unwrap();
        server.advance(SECOND / 100);
    }
    server.advance(SECOND * 20);
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    for token in 0..16 {
        let of: Vec<usize> = (heard.iter().filter(|(_, by, _)| *by == token / 8 + 2 * token))
            .map(|(_, _, heard)| {
                let digits = heard.iter().position(u8::is_ascii_digit).unwrap();
                String::from_utf8_lossy(&heard[digits..digits + 6]).parse().unwrap()
            })
            .collect();
        assert!(of.is_sorted() && of.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: {token} has an order");
        match (token / 8, policy) {
            (0, _) => assert_eq!(of.len(), PACKETS, "seed {seed}: who reads misses nothing, {token}"),
            (_, SlowConsumer::DropOldest) => {
                assert_eq!(of.last(), Some(&(PACKETS - 1)), "seed {seed}: the newest came, {token}");
            }
            _ => assert!(of.len() <= PACKETS),
        }
    }
    if policy == SlowConsumer::DropOldest {
        assert!(server.handle().stats().dropped > 0, "seed {seed}");
        assert_eq!(group.len(), 16, "seed {seed}");
    } else {
        assert_eq!(group.len(), 8, "seed {seed}: the slow are closed");
    }
    heard
}

#[test]
fn the_same_seed_gives_every_transport_the_same_broadcasts_at_the_same_times() {
    let authority = Authority::new();
    for policy in [SlowConsumer::DropOldest, SlowConsumer::Close] {
        for seed in 0..4 {
            let (first, again) = (run(&authority, seed, policy), run(&authority, seed, policy));
            assert!(first == again, "seed {seed}");
        }
    }
}
