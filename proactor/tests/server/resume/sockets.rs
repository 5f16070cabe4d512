//! Cuts at every byte over real sockets, on every backend.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use proactor::codec::LengthPrefixed;
use proactor::{Backend, Listener, Resume, ResumeClient, Resumed, Server};

use super::logic::{Counting, answer};
use crate::harness::{address_of, backends, connect, finish, wait_until};

const PACKETS: [&[u8]; 5] = [b"", b"one", b"push", b"three", &[b'x'; 40]];

fn serve(backend: Backend, shards: usize, logic: &Counting) -> Server {
    let listener = Listener::new("127.0.0.1:0").codec(LengthPrefixed::u16()).resume(Resume::new());
    Server::builder().listen(listener).shards(shards).backend(Some(backend)).start(logic.clone()).unwrap()
}

fn frame(packet: &[u8]) -> Vec<u8> {
    [&(packet.len() as u16).to_be_bytes(), packet].concat()
}

/// Talks, over connections that are cut after so many bytes up and down. Returns all that the
/// server has said, and how many bytes went each way.
fn converse(address: SocketAddr, cuts: &mut dyn Iterator<Item = (usize, usize)>) -> (Vec<u8>, usize, usize) {
    let (mut client, mut connection): (_, Option<(TcpStream, usize, usize)>) = (ResumeClient::new(), None);
    let (mut came, mut wanted, mut up, mut down, mut began) = (Vec::new(), 0, 0, 0, 0);
    for (index, packet) in PACKETS.iter().enumerate() {
        client.send(&frame(packet));
        wanted += frame(&answer(index as u32 + 1, packet)).len();
        wanted += if *packet == b"push" { frame(b"pushed").len() } else { 0 };
        while came.len() < wanted {
            let (stream, up_left, down_left) = connection.get_or_insert_with(|| {
                client.connected();
                let (up, down) = cuts.next().unwrap_or((usize::MAX, usize::MAX));
                (connect(address), up, down)
            });
            let wire = client.take_wire();
            let count = wire.len().min(*up_left);
            stream.write_all(&wire[..count]).unwrap();
            (*up_left, up) = (*up_left - count, up + count);
            if count < wire.len() {
                connection = None;
                continue;
            }
            let mut bytes = [0; 100];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "the server has ended it");
            let read = count.min(*down_left);
            (*down_left, down) = (*down_left - read, down + read);
            match client.received(&bytes[..read]).unwrap() {
                Some(Resumed::Began) => began += 1,
                Some(Resumed::Afresh(why)) => panic!("{why}"),
                _ => {}
            }
            came.extend(client.take_received());
            if read < count {
                connection = None;
            }
        }
    }
    assert_eq!(began, 1);
    (came, up, down)
}

fn expected() -> Vec<u8> {
    let answers = PACKETS.iter().enumerate().flat_map(|(index, packet)| {
        let pushed = if *packet == b"push" { frame(b"pushed") } else { Vec::new() };
        [frame(&answer(index as u32 + 1, packet)), pushed].concat()
    });
    answers.collect()
}

#[test]
fn over_sockets_too_a_cut_at_any_byte_loses_nothing_and_repeats_nothing() {
    for backend in backends() {
        let logic = Counting::default();
        let server = serve(backend, 2, &logic);
        let address = address_of(&server);
        let (whole, up, down) = converse(address, &mut std::iter::empty());
        assert_eq!(whole, expected());
        let cuts = (0..up).map(|cut| (cut, usize::MAX)).chain((0..down).map(|cut| (usize::MAX, cut)));
        let mut conversations = 1;
        for cut in cuts {
            let (came, ..) = converse(address, &mut std::iter::once(cut));
            assert_eq!(came, expected(), "cut at {cut:?} on {backend}");
            conversations += 1;
        }
        assert_eq!(logic.packets().len(), conversations * PACKETS.len());
        for said in logic.packets().chunks(PACKETS.len()) {
            assert_eq!(said, PACKETS);
        }
        finish(server);
    }
}

#[test]
fn a_thousand_times_over_sockets_a_client_comes_back() {
    for backend in backends() {
        let logic = Counting::default();
        let server = serve(backend, 2, &logic);
        let mut client = ResumeClient::new();
        let mut came = Vec::new();
        for number in 1..=1000 {
            let mut stream = connect(address_of(&server));
            client.connected();
            client.send(&frame(b"x"));
            let answer = frame(&answer(number, b"x"));
            while came.len() < answer.len() {
                stream.write_all(&client.take_wire()).unwrap();
                let mut bytes = [0; 100];
                let count = stream.read(&mut bytes).unwrap();
                client.received(&bytes[..count]).unwrap();
                came.extend(client.take_received());
            }
            assert_eq!(std::mem::take(&mut came), answer);
        }
        assert_eq!(logic.sessions().len(), 1, "on {backend}");
        wait_until("it is counted", || server.handle().stats().resumed == 999);
        finish(server);
    }
}
