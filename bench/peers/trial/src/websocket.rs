//! Messages of a WebSocket come back, or reach every other member and not their sender, however the
//! bytes are split.

use std::io::Read;

use peer_cli::websocket::{REQUEST, client_message, server_message};

use crate::client::{Client, bytes};
use crate::server::Server;

const LENGTHS: [usize; 8] = [0, 1, 64, 125, 126, 1000, 65_535, 65_536];
const KEY: [u8; 4] = [0xa1, 7, 0x42, 0x33];

/// Connects, and is accepted.
fn open(server: &Server) -> Client {
    let mut client = server.connect();
    client.write(REQUEST);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.socket.read_exact(&mut byte).expect("the server answers");
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).expect("a head is text").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    client
}

pub(crate) fn echo_tried(server: &Server) {
    let (mut one, mut other) = (open(server), open(server));
    for length in LENGTHS {
        let (mine, yours) = (bytes(length, 1), bytes(length, 2));
        one.write(&client_message(KEY, &mine));
        other.write(&client_message(KEY, &yours));
        other.expect(&server_message(&yours));
        one.expect(&server_message(&mine));
    }
    let message = client_message(KEY, b"in pieces");
    one.write_apart(&[&message[..1], &message[1..7], &message[7..]]);
    one.expect(&server_message(b"in pieces"));
    let burst: Vec<u8> = (0..200).flat_map(|seed| client_message(KEY, &bytes(100, seed))).collect();
    one.write(&burst);
    (0..200).for_each(|seed| one.expect(&server_message(&bytes(100, seed))));
    open(server).reset();
    other.write(&client_message(KEY, b"still there"));
    other.expect(&server_message(b"still there"));
}

pub(crate) fn chat_tried(server: &Server) {
    let mut members = vec![open(server)];
    for seed in 0..2 {
        // A new member greets until somebody hears it: then it has joined, and so have the others.
        let mut newest = open(server);
        newest.write(&client_message(KEY, &bytes(10, seed)));
        members.iter_mut().for_each(|member| member.expect(&server_message(&bytes(10, seed))));
        members.push(newest);
    }
    for (speaker, length) in (0..3).cycle().zip(LENGTHS) {
        let said = bytes(length, 5);
        members[speaker].write(&client_message(KEY, &said));
        for (number, member) in members.iter_mut().enumerate() {
            if number != speaker {
                member.expect(&server_message(&said));
            }
        }
    }
}
