//! WebSocket sessions on a simulated network, which splits and delays at random: the same seed has
//! the same result.

use std::time::Duration;

use proactor::{
    CloseReason, Flow, Group, Handler, Listener, MessageKind, Network, NoMessage, Server, Session, SimClient,
    Simulation, Target, Timeouts, WebSocket, WebSocketClient,
};

use super::peer::{ACCEPTED, BINARY, CLOSE, CONTINUATION, Frames, LAST, PING, PONG, REQUEST, TEXT};
use super::peer::{closing, frame, sent, served};

/// Broadcasts texts, echoes bytes, and pauses now and then.
#[derive(Clone)]
struct Room(Group);

impl Handler for Room {
    type State = usize;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> usize {
        session.join(&self.0).unwrap();
        0
    }
    fn received(&mut self, session: &Session, count: &mut usize, packet: &[u8]) -> Flow {
        *count += 1;
        if count.is_multiple_of(3) {
            session.pause();
            session.resume();
        }
        let sent = match session.packet_kind() {
            MessageKind::Text => self.0.broadcast(packet),
            MessageKind::Binary => session.send(packet),
        };
        sent.map_or(Flow::Close, |()| Flow::Continue)
    }
}

fn simulated(seed: u64, listener: Listener) -> (Network, Simulation<Room>) {
    let network = Network::new(seed);
    let builder = Server::builder().listen(listener).shards(2);
    let builder = builder.timeouts(Timeouts::new().heartbeat(Duration::from_secs(5)));
    let server = builder.simulate(&network, Room(Group::new())).unwrap();
    (network, server)
}

fn open<H: Handler>(server: &Simulation<H>) -> SimClient {
    let client = server.client("10.0.0.1:80", Frames::default());
    client.send_bytes(REQUEST);
    client.expect(ACCEPTED);
    client
}

/// A run, and its trace.
fn run(seed: u64) -> u64 {
    let websocket = WebSocket::new().text();
    let (network, server) = simulated(seed, Listener::new("10.0.0.1:80").websocket(websocket));
    let clients: Vec<SimClient> = (0..4).map(|_| open(&server)).collect();
    for (index, client) in clients.iter().enumerate() {
        let text = format!("hello of {index}");
        client.send(frame(TEXT, &text.as_bytes()[..3], true));
        client.send(sent(PING, "between"));
        client.send(frame(LAST | CONTINUATION, &text.as_bytes()[3..], true));
        client.expect(served(PONG, "between"));
        for other in &clients {
            other.expect(served(TEXT, &text));
        }
        let bytes = vec![0xee; 3000 * (index + 1)];
        client.send(sent(BINARY, &bytes));
        client.expect(served(BINARY, &bytes));
    }
    // Nothing is sent for a while: a ping is.
    for client in &clients {
        client.expect(served(PING, ""));
        client.send(sent(PONG, ""));
    }
    clients[0].send(sent(CLOSE, closing(1000, "bye")));
    clients[0].expect(served(CLOSE, closing(1000, "")));
    clients[0].expect_closed();
    clients[1].send(frame(LAST | 4, b"", true));
    let came = clients[1].next_packet();
    assert_eq!((&came[..1], &came[2..4]), (&[LAST | CLOSE][..], &1002u16.to_be_bytes()[..]));
    clients[1].expect_closed();
    clients[2].send_bytes(&sent(TEXT, "half")[..4]);
    clients[2].shutdown();
    clients[2].expect_closed();
    server.handle().drain(Duration::from_secs(10));
    clients[3].expect(served(CLOSE, closing(1001, "")));
    clients[3].expect_closed();
    while !server.has_ended() {
        server.advance(Duration::from_secs(1));
    }
    let stats = server.handle().stats();
    let ends = [CloseReason::ByPeer, CloseReason::Protocol, CloseReason::Truncated, CloseReason::Drained];
    assert_eq!(ends.map(|reason| stats.closed(reason)), [1; 4], "seed {seed}");
    network.trace()
}

#[test]
fn the_same_seed_has_the_same_result() {
    let traces: Vec<u64> = (0..12).map(run).collect();
    assert_eq!((0..12).map(run).collect::<Vec<u64>>(), traces);
    assert!(traces.iter().any(|trace| *trace != traces[0]), "seeds differ");
}

#[test]
fn a_stop_tells_an_idle_session_that_the_server_goes_away() {
    for seed in 0..5 {
        let (_network, server) = simulated(seed, Listener::new("10.0.0.1:80").websocket(WebSocket::new()));
        let client = open(&server);
        server.advance(Duration::from_secs(1));
        server.handle().stop();
        client.expect(served(CLOSE, closing(1001, "")));
        client.expect_closed();
    }
}

/// Connects to itself, and says what comes.
#[derive(Clone)]
struct Itself;

impl Handler for Itself {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        if session.origin() != proactor::Origin::Accepted {
            session.send(&[7; 5000]).unwrap();
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        assert_eq!(packet, [7; 5000]);
        match session.origin() {
            proactor::Origin::Accepted => session.send(packet).map_or(Flow::Close, |()| Flow::Continue),
            _ => Flow::Close,
        }
    }
}

#[test]
fn masking_keys_and_requests_are_the_same_in_every_run() {
    let run = |seed| {
        let network = Network::new(seed);
        let listener = Listener::new("10.0.0.1:80").websocket(WebSocket::new().path("/itself"));
        let mut server = Server::builder().listen(listener).simulate(&network, Itself).unwrap();
        let target: Target = server.local_addrs()[0].clone().into();
        server.handle().connect(target.websocket(&WebSocketClient::new("/itself")), 0).unwrap();
        let ended = |server: &Simulation<Itself>| server.handle().stats().closed_in_all() == 2;
        assert!(server.run(ended).unwrap(), "seed {seed}");
        let stats = server.handle().stats();
        assert_eq!((stats.closed(CloseReason::ByHandler), stats.closed(CloseReason::ByPeer)), (1, 1), "seed {seed}");
        network.trace()
    };
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed));
    }
}
