//! Packets that a handler sends as it received them: they leave from the buffers that they came in,
//! in order with everything else, and peers that do not read hold up nobody.

use std::io::Write;
use std::net::TcpStream;

use proactor::{Flow, Handler, Limits, NoMessage, Session, SlowConsumer};

use crate::harness::{address_of, connect, finish, on_each_backend, pattern, read_to_end, round_trip};

const LONG: usize = 16 * 1024;
const BETWEEN: &[u8] = b"between";

/// Sends each packet back behind its length and one of three marks: as it is, twice, or in halves
/// with something in between. A zero at its end closes the session.
#[derive(Clone)]
struct Marked;

impl Handler for Marked {
    type State = usize;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> usize {
        0
    }
    fn received(&mut self, session: &Session, number: &mut usize, packet: &[u8]) -> Flow {
        let mark = [b"1", b"2", b"h"][*number % 3];
        *number += 1;
        let (start, end) = packet.split_at(packet.len() / 2);
        let bytes: &[&[u8]] = match mark {
            b"1" => &[packet],
            b"2" => &[packet, packet],
            _ => &[start, BETWEEN, end],
        };
        let length = (packet.len() as u32).to_be_bytes();
        let sends = [&length, &mark[..]].into_iter().chain(bytes.iter().copied());
        for bytes in sends.filter(|bytes| !bytes.is_empty()) {
            if session.send(bytes).is_err() {
                return Flow::Close;
            }
        }
        if packet.last() == Some(&0) { Flow::Close } else { Flow::Continue }
    }
}

/// The packets that [`Marked`] has sent back, one behind the other.
fn unmarked(mut answers: &[u8]) -> Vec<u8> {
    let mut packets = Vec::new();
    while let [a, b, c, d, mark, rest @ ..] = answers {
        let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (packet, rest) = match mark {
            b'1' => (rest[..len].to_vec(), &rest[len..]),
            b'2' => {
                assert!(rest[..len] == rest[len..2 * len], "the second is as the first");
                (rest[..len].to_vec(), &rest[2 * len..])
            }
            mark => {
                assert_eq!(*mark, b'h', "a mark");
                let (start, behind) = rest.split_at(len / 2);
                let end = behind.strip_prefix(BETWEEN).expect("it is between the halves");
                let end_len = len - len / 2;
                ([start, &end[..end_len]].concat(), &end[end_len..])
            }
        };
        packets.extend(packet);
        answers = rest;
    }
    assert!(answers.is_empty(), "all was an answer");
    packets
}

#[test]
fn long_and_short_packets_leave_in_the_order_of_their_sends_before_the_close() {
    const BYTES: usize = 1 << 20;
    let mut asked: Vec<u8> = pattern(5, BYTES).into_iter().map(|byte| byte.max(1)).collect();
    asked[BYTES - 1] = 0;
    for policy in [SlowConsumer::PauseReading, SlowConsumer::DropOldest] {
        on_each_backend(|builder| {
            // Room for all answers, so that none is dropped or refused.
            let limits = Limits::new().outbox_bytes(8 * BYTES);
            let server = builder.limits(limits).slow_consumer(policy).start(Marked).unwrap();
            let stream = connect(address_of(&server));
            let answers = std::thread::scope(|scope| {
                scope.spawn(|| {
                    // Some packets are long, some short.
                    for piece in asked.chunks(3 * LONG) {
                        (&stream).write_all(&piece[..10]).unwrap();
                        (&stream).write_all(&piece[10..]).unwrap();
                    }
                });
                read_to_end(&stream)
            });
            assert!(unmarked(&answers) == asked, "{policy:?}: bytes are lost, mixed up or changed");
            finish(server);
        });
    }
}

/// Echoes what arrives, however much that is.
#[derive(Clone)]
struct Echo;

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
        if session.send(packet).is_err() { Flow::Close } else { Flow::Continue }
    }
}

/// Many peers send until nothing more is taken, and read nothing. Others are served meanwhile, and
/// what was queued for the first is whole when they read.
#[test]
fn peers_that_do_not_read_hold_up_nobody_and_lose_nothing() {
    const STUCK: usize = 40;
    on_each_backend(|builder| {
        let server = builder.start(Echo).unwrap();
        let address = address_of(&server);
        let bytes = pattern(1, 1 << 20);
        let stuck: Vec<(TcpStream, usize)> = (0..STUCK)
            .map(|_| {
                let mut stream = connect(address);
                stream.set_nonblocking(true).unwrap();
                let mut sent = 0;
                while sent < bytes.len() {
                    match stream.write(&bytes[sent..]) {
                        Ok(count) => sent += count,
                        Err(_) => break,
                    }
                }
                (stream, sent)
            })
            .collect();
        for len in [1, LONG, 1 << 20] {
            let asked = pattern(len, len);
            assert!(round_trip(&connect(address), &asked, len) == asked, "{len} bytes");
        }
        for (stream, sent) in stuck {
            stream.set_nonblocking(false).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(read_to_end(&stream) == bytes[..sent], "{sent} bytes");
        }
        finish(server);
    });
}
