//! Every codec on a simulated network, which splits and delays streams at random.

use overlapped::driver::ShutdownHow;
use overlapped::{Op, Outcome};
use proactor::codec::Framing;
use proactor::{Flow, Handler, Network, NoMessage, Server, Session, Wait};

use super::echo::{every_codec, framed};
use crate::harness::driver;

/// Echoes. Pauses and resumes its session after every fifth packet.
#[derive(Clone)]
struct Stutter;

impl Handler for Stutter {
    type State = usize;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> usize {
        0
    }
    fn received(&mut self, session: &Session, count: &mut usize, packet: &[u8]) -> Flow {
        *count += 1;
        if count.is_multiple_of(5) {
            session.pause();
            session.resume();
        }
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

/// What a client on a simulated network receives, and the trace of the run.
fn simulated(seed: u64, codec: &Framing, stream: &[u8]) -> (Vec<u8>, u64) {
    const RECEIVED: u64 = 1;
    let network = Network::new(seed);
    let builder = Server::builder().listen("10.0.0.1:7").shards(2).codec(codec.clone());
    let mut server = builder.simulate(&network, Stutter).unwrap();
    let address = server.local_addrs()[0].clone();
    let mut client = driver(&network);
    let socket = client.socket(&address).unwrap();
    client.submit(Op::connect(socket, &address), 0).unwrap();
    client.submit(Op::send(socket, stream.to_vec()), 0).unwrap();
    client.submit(Op::shutdown(socket, ShutdownHow::Send), 0).unwrap();
    client.submit(Op::recv(socket, vec![0u8; 1000]), RECEIVED).unwrap();
    let (mut back, mut ended) = (Vec::new(), false);
    let came = server.run(|_| {
        client.turn(Wait::Poll).unwrap();
        while let Some(completion) = client.next() {
            match completion.result.unwrap() {
                Outcome::Received(0) => ended = true,
                Outcome::Received(_) => {
                    back.extend(completion.buf.unwrap().take::<Vec<u8>>().unwrap());
                    client.submit(Op::recv(socket, vec![0u8; 1000]), RECEIVED).unwrap();
                }
                _ => {}
            }
        }
        ended
    });
    assert!(came.unwrap(), "seed {seed}: it came to rest after {} of {} bytes", back.len(), stream.len());
    (back, network.trace())
}

#[test]
fn splits_and_delays_of_a_simulated_network_change_nothing() {
    for (codec, packets, longest) in every_codec() {
        let stream = framed(&codec, &packets[..packets.len().min(200)]);
        for seed in 0..5 {
            let (back, trace) = simulated(seed, &codec, &stream);
            assert!(back == stream, "{codec:?} to {longest}, seed {seed}: {} of {} bytes", back.len(), stream.len());
            if seed == 0 {
                assert_eq!(simulated(seed, &codec, &stream).1, trace, "another run of the same seed");
            }
        }
    }
}
