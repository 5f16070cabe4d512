//! A session never has more operations in flight than the driver's table has room for, whatever its
//! handler does. Otherwise an operation would be refused, and its bytes lost.

use std::collections::BTreeMap;
use std::time::Duration;

use overlapped::driver::{CloseMode, ShutdownHow, SocketId};
use overlapped::sim::NetworkConfig;
use overlapped::{ErrorKind, Op, Outcome};
use proactor::codec::LengthPrefixed;
use proactor::{CloseReason, Flow, Group, Handler, Network, NoMessage, Server, Session, Wait};

use crate::harness::driver;

/// The most operations in flight on one socket: a receive, a send, two more sends when it is
/// closed, and the close.
const MOST: usize = 5;

/// This bit marks an answer. The other bits are its sender.
const ANSWER: u8 = 0x80;

/// Answers and broadcasts each packet, so that a send has two pieces. Then closes, ends its stream,
/// or goes on, as the packet says.
#[derive(Clone)]
struct Chat(Group);

impl Handler for Chat {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.0).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let [who, high, low, end] = *packet else { return Flow::Close };
        session.send(&[ANSWER | who, high, low, 0]).unwrap();
        self.0.broadcast(packet).unwrap();
        match end {
            b'c' => session.close(),
            b's' => session.shutdown(),
            _ => {}
        }
        Flow::Continue
    }
    fn ended(&mut self, _: &Session, (): &mut ()) -> Flow {
        Flow::Close
    }
}

struct Client {
    socket: SocketId,
    received: Vec<u8>,
    ended: bool,
}

fn frame(who: usize, number: u16, end: u8) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    vec![0, 4, who as u8, high, low, end]
}

/// The numbers of the packets of each sender.
fn numbers_of_senders(received: &[u8]) -> BTreeMap<u8, Vec<u16>> {
    let mut numbers = BTreeMap::<u8, Vec<u16>>::new();
    for frame in received.chunks(6) {
        assert_eq!((frame.len(), &frame[..2]), (6, &[0, 4][..]), "nothing is missing within a packet");
        numbers.entry(frame[2]).or_default().push(u16::from_be_bytes([frame[3], frame[4]]));
    }
    numbers
}

/// All clients send many packets at once and end in different ways. The drain ends the rest.
fn run(seed: u64, shards: usize, count: usize) {
    // Small buffers, so that a send is still in flight when the next packets arrive.
    let network = Network::with_config(seed, NetworkConfig::new().buffer_bytes(1024));
    let chat = Chat(Group::new());
    let builder = Server::builder().listen("10.0.0.1:7777").shards(shards);
    let mut server = builder.codec(LengthPrefixed::u16()).simulate(&network, chat.clone()).unwrap();
    let mut driver = driver(&network);
    let address = server.local_addrs()[0].clone();
    let mut clients: Vec<Client> = (0..count)
        .map(|index| {
            let socket = driver.socket(&address).unwrap();
            driver.submit(Op::connect(socket, &address), 0).unwrap();
            driver.submit(Op::recv(socket, vec![0u8; 4000]), index as u64).unwrap();
            Client { socket, received: Vec::new(), ended: false }
        })
        .collect();
    let packets: Vec<u16> = (0..count).map(|_| 1 + (driver.random() % 1000) as u16).collect();
    let ends: Vec<u8> = (0..count).map(|_| b"cs.-"[(driver.random() % 4) as usize]).collect();
    let (mut begun, mut drains) = (false, false);
    let done = server.run(|server| {
        let live = server.live();
        assert!(live.operations <= MOST * live.sockets, "seed {seed}: {live:?}");
        driver.turn(Wait::Poll).unwrap();
        while let Some(completion) = driver.next() {
            let index = completion.token as usize;
            let client = &mut clients[index % count];
            match completion.result {
                Ok(Outcome::Received(0)) => {
                    client.ended = true;
                    driver.submit(Op::close(client.socket, CloseMode::Now), 0).unwrap();
                }
                Ok(Outcome::Received(bytes)) => {
                    let buf = completion.buf.unwrap().take::<Vec<u8>>().unwrap();
                    client.received.extend_from_slice(&buf[..bytes]);
                    driver.submit(Op::recv(client.socket, buf), completion.token).unwrap();
                }
                Ok(_) => {}
                // The server has closed the session of a client that still had sends in flight.
                Err(error) if error.kind() == ErrorKind::Cancelled => {}
                Err(error) => panic!("seed {seed}, client {index}: {error}"),
            }
        }
        if !begun && chat.0.len() == count {
            begun = true;
            for (who, client) in clients.iter().enumerate() {
                let last = packets[who];
                let frames =
                    (0..=last).flat_map(|number| frame(who, number, if number == last { ends[who] } else { 0 }));
                let mut frames = frames.collect::<Vec<u8>>();
                let end = frames.split_off(frames.len() - 6);
                driver.submit(Op::send(client.socket, frames), 0).unwrap();
                driver.submit(Op::send(client.socket, end), 0).unwrap();
                // For these the client ends its stream.
                if matches!(ends[who], b's' | b'-') {
                    driver.submit(Op::shutdown(client.socket, ShutdownHow::Send), 0).unwrap();
                }
            }
        }
        let own =
            |who: usize| numbers_of_senders(&clients[who].received).get(&(ANSWER | who as u8)).map_or(0, Vec::len);
        let whole = clients.iter().all(|client| client.received.len().is_multiple_of(6));
        let goes = |who: usize| if matches!(ends[who], b'c' | b's') { clients[who].ended } else { own(who) > 0 };
        if begun && !drains && whole && (0..count).all(goes) {
            drains = true;
            server.handle().drain(Duration::from_secs(600));
        }
        server.has_ended() && clients.iter().all(|client| client.ended)
    });
    assert!(done.unwrap(), "seed {seed}: it came to rest before all had ended");
    let stats = server.handle().stats();
    for reason in [CloseReason::Limit, CloseReason::TooSlow, CloseReason::Reset, CloseReason::Panic] {
        assert_eq!(stats.closed(reason), 0, "seed {seed}: {reason}");
    }
    for (who, client) in clients.iter().enumerate() {
        // An answer comes before the broadcast of the same packet.
        let of_it = client.received.chunks(6).filter(|frame| usize::from(frame[2] & !ANSWER) == who);
        let order: Vec<(u16, bool)> =
            of_it.map(|frame| (u16::from_be_bytes([frame[3], frame[4]]), frame[2] & ANSWER == 0)).collect();
        assert!(order.is_sorted(), "seed {seed}: {who}: {order:?}");
        for (sender, numbers) in numbers_of_senders(&client.received) {
            assert!(numbers.iter().copied().eq(0..numbers.len() as u16), "seed {seed}: {who} of {sender}: {numbers:?}");
        }
        if matches!(ends[who], b'c' | b's') {
            let own = numbers_of_senders(&client.received)[&(ANSWER | who as u8)].len();
            assert_eq!(own, usize::from(packets[who]) + 1, "seed {seed}: {who} has all answers");
        }
    }
}

#[test]
fn operations_in_flight_are_bounded_and_nothing_is_lost_however_sessions_end() {
    for seed in 0..20 {
        run(seed, 1 + seed as usize % 3, 8);
        run(seed, 1, 1);
    }
}
