//! Drains on a simulated network: whatever the seed, an answer is whole or the peer sees a reset,
//! and the counts say which.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use overlapped::driver::{CloseMode, SocketId};
use overlapped::{Driver, ErrorKind, Op, Outcome};
use proactor::codec::LengthPrefixed;
use proactor::{AsyncSession, Network, SendError, Server, Tasks, Wait};

use crate::harness::driver;

const CLIENTS: usize = 6;
const ANSWER: usize = 30_000;

struct Client {
    socket: SocketId,
    received: usize,
    /// How its stream ended: in order, or by a reset.
    ended: Option<bool>,
}

/// Takes a while for an answer: by a timer, blocking work, or neither.
async fn work(session: AsyncSession) -> Result<(), SendError> {
    while let Some(request) = session.next().await {
        let time = Duration::from_millis(u64::from(request[0]));
        match request[0] % 3 {
            0 => session.sleep(time).await,
            1 => session.offload(move || time).await.map(drop).expect("it does not panic"),
            _ => {}
        }
        session.send(&[request[0]; ANSWER - 2]).await?;
    }
    Ok(())
}

fn connect(driver: &mut Driver, server: &overlapped::Address, index: usize) -> Client {
    let socket = driver.socket(server).unwrap();
    driver.submit(Op::connect(socket, server), 1000).unwrap();
    let request = [0, 1, 1 + (driver.random() % 200) as u8];
    // The packet may come in two pieces.
    let cut = 1 + (driver.random() % 3) as usize;
    for piece in [&request[..cut], &request[cut..]] {
        if !piece.is_empty() {
            driver.submit(Op::send(socket, piece.to_vec()), 1000).unwrap();
        }
    }
    driver.submit(Op::recv(socket, vec![0u8; 4096]), index as u64).unwrap();
    Client { socket, received: 0, ended: None }
}

/// Each client asks once. The drain begins at a random moment and may take `patience`. Returns how
/// many have their answer, and how many saw a reset.
fn run(seed: u64, shards: usize, patience: Duration) -> (usize, usize) {
    let network = Network::new(seed);
    let builder = Server::builder().listen("10.0.0.1:7777").shards(shards).codec(LengthPrefixed::u16());
    let mut server = builder.simulate(&network, Tasks::new(work)).unwrap();
    let address = server.local_addrs()[0].clone();
    let mut driver = driver(&network);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|index| connect(&mut driver, &address, index)).collect();
    let (handle, begun) = (server.handle(), Rc::new(Cell::new(false)));
    let wait = Duration::from_micros(driver.random() % 60_000);
    let at = driver.now() + wait;
    driver.submit(Op::timer(at), 999).unwrap();
    let is_over = server.run(|server| {
        driver.turn(Wait::Poll).unwrap();
        while let Some(completion) = driver.next() {
            match completion.token {
                999 => begun.set(true),
                1000.. => {}
                index => {
                    let client = &mut clients[index as usize];
                    match completion.result {
                        Ok(Outcome::Received(bytes @ 1..)) => {
                            client.received += bytes;
                            let buf = completion.buf.unwrap().take::<Vec<u8>>().unwrap();
                            driver.submit(Op::recv(client.socket, buf), index).unwrap();
                        }
                        end => {
                            client.ended = Some(end.is_ok());
                            if let Err(error) = end {
                                assert_eq!(error.kind(), ErrorKind::Reset, "seed {seed}");
                            }
                            driver.submit(Op::close(client.socket, CloseMode::Now), 1000).unwrap();
                        }
                    }
                }
            }
        }
        // All are sessions, so that none is refused.
        if begun.get() && server.handle().stats().accepted == CLIENTS as u64 {
            begun.set(false);
            handle.drain(patience);
        }
        server.has_ended() && clients.iter().all(|client| client.ended.is_some())
    });
    assert!(is_over.unwrap(), "seed {seed}: it came to rest before all had ended");
    let stats = server.handle().stats();
    assert_eq!(stats.flushed + stats.cut, CLIENTS as u64, "seed {seed}");
    assert_eq!(stats.drained + stats.drain_cut, CLIENTS as u64, "seed {seed}: {stats:?}");
    let (mut answered, mut reset) = (0, 0);
    for client in &clients {
        match (client.ended, client.received) {
            (Some(true), ANSWER) => answered += 1,
            // Its request had not come when the session was asked to end.
            (Some(true), 0) => {}
            (Some(false), _) => reset += 1,
            (end, received) => panic!("seed {seed}: {received} of {ANSWER} bytes, ended in order: {end:?}"),
        }
    }
    assert_eq!(reset as u64, stats.drain_cut, "seed {seed}: {stats:?}");
    (answered, reset)
}

#[test]
fn a_drain_with_time_cuts_nobody() {
    let mut answered = 0;
    for seed in 0..150 {
        let (whole, reset) = run(seed, 1 + seed as usize % 3, Duration::from_secs(60));
        assert_eq!(reset, 0, "seed {seed}");
        answered += whole;
    }
    assert!(answered > 150 * CLIENTS / 4, "the clients were at work: {answered}");
}

#[test]
fn every_cut_of_a_drain_without_time_is_counted_and_seen() {
    let (mut whole, mut cut) = (0, 0);
    for seed in 0..150 {
        let (answered, reset) = run(seed, 1 + seed as usize % 3, Duration::from_millis(seed % 100));
        whole += answered;
        cut += reset;
    }
    assert!(whole > 0 && cut > 0, "{whole} whole, {cut} cut");
}
