//! Reading a client's hello without answering it.

use proactor::TlsFailure;
use proactor::tls::{ClientHello, HelloRead};
use rustls::version::TLS12;

use super::peers::Authority;

fn hello(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let client = Authority::new().peer().protocols(&["chat/2", "chat/1"]);
    client.connection(name).write_tls(&mut bytes).unwrap();
    bytes
}

fn whole(bytes: &[u8]) -> ClientHello {
    match ClientHello::read(bytes).unwrap() {
        HelloRead::Whole(hello) => hello,
        HelloRead::Needs(more) => panic!("{more} of {} bytes", bytes.len()),
    }
}

/// The handshake message in a hello's only record.
fn message(hello: &[u8]) -> &[u8] {
    &hello[5..]
}

/// The message in records with so many bytes of it each.
fn records(message: &[u8], bytes_each: usize) -> Vec<u8> {
    let record = |part: &[u8]| [&[22, 3, 1][..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
    message.chunks(bytes_each).flat_map(record).collect()
}

/// A hello with so many bytes of padding (an extension that servers ignore).
fn padded(hello: &[u8], padding: usize) -> Vec<u8> {
    let message = message(hello);
    let extensions = {
        // Version and random, session id, cipher suites, compression.
        let mut at = 4 + 2 + 32;
        at += 1 + usize::from(message[at]);
        at += 2 + usize::from(u16::from_be_bytes([message[at], message[at + 1]]));
        at + 1 + usize::from(message[at])
    };
    let mut body = message[4..].to_vec();
    body.extend([0, 21]);
    body.extend(u16::try_from(padding).unwrap().to_be_bytes());
    body.extend(vec![0; padding]);
    let all = u16::try_from(body.len() - (extensions - 4) - 2).unwrap();
    body[extensions - 4..extensions - 2].copy_from_slice(&all.to_be_bytes());
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1, length[1], length[2], length[3]], &body[..]].concat()
}

#[test]
fn a_hello_is_read_wherever_it_is_split() {
    let hello = hello("Chat.Example.org");
    let read = whole(&hello);
    assert_eq!(read.server_name(), Some("chat.example.org"));
    assert_eq!(read.protocols().collect::<Vec<_>>(), [b"chat/2", b"chat/1"]);
    for end in 0..hello.len() {
        match ClientHello::read(&hello[..end]).unwrap() {
            HelloRead::Needs(bytes) => assert!(bytes > end && bytes <= hello.len(), "{end}: {bytes}"),
            HelloRead::Whole(_) => panic!("after {end} bytes"),
        }
    }
    // What comes behind it is not looked at, in the same piece or not.
    assert_eq!(whole(&[&hello[..], &[20, 3, 3, 0, 1, 1]].concat()), read);
}

#[test]
fn a_hello_in_records_of_every_length_is_read() {
    let hello = hello("chat.example.org");
    for bytes_each in 1..message(&hello).len() {
        let records = records(message(&hello), bytes_each);
        assert_eq!(whole(&records).server_name(), Some("chat.example.org"), "{bytes_each}");
        let steps = std::iter::successors(Some(0), |had| match ClientHello::read(&records[..*had]).unwrap() {
            HelloRead::Needs(bytes) => Some(bytes),
            HelloRead::Whole(_) => None,
        });
        assert_eq!(steps.last(), Some(records.len()), "it never asks for more than the hello has");
    }
}

#[test]
fn no_name_and_an_address_are_no_name() {
    assert_eq!(whole(&hello("10.0.0.1")).server_name(), None);
    let mut old = Vec::new();
    Authority::new().peer().only(&TLS12).connection("old.test").write_tls(&mut old).unwrap();
    assert_eq!(whole(&old).server_name(), Some("old.test"));
}

#[track_caller]
fn fails(bytes: &[u8], failure: TlsFailure, alert: u8) {
    let error = ClientHello::read(bytes).unwrap_err();
    assert_eq!(error.failure(), failure, "{error}");
    assert_eq!((error.alert().len(), error.alert()[0], error.alert()[6]), (7, 21, alert), "{error}");
}

#[test]
fn what_is_no_hello_is_refused_with_its_alert() {
    fails(b"GET / HTTP/1.0\r\n\r\n", TlsFailure::NotTls, 50);
    fails(b"SSH-2.0-x", TlsFailure::NotTls, 50);
    // A record of data, one of nothing, one that is longer than a record may be.
    fails(&[23, 3, 3, 0, 4, 1, 2, 3, 4], TlsFailure::Protocol, 10);
    fails(&[22, 3, 1, 0, 0], TlsFailure::Protocol, 50);
    fails(&[22, 3, 1, 255, 255], TlsFailure::Protocol, 50);
    // A server's hello.
    fails(&[22, 3, 3, 0, 4, 2, 0, 0, 0], TlsFailure::Protocol, 10);
    // A hello of nothing.
    fails(&[22, 3, 3, 0, 4, 1, 0, 0, 0], TlsFailure::Protocol, 50);
    // A name that is none.
    let mut bad = hello("chat.example.org");
    let at = bad.windows(9).position(|part| part == b"chat.exam").unwrap();
    bad[at] = b' ';
    fails(&bad, TlsFailure::Protocol, 47);
}

#[test]
fn a_hello_may_have_16_kib_and_not_more() {
    let hello = hello("chat.example.org");
    let rest = ClientHello::MOST_BYTES - hello.len() - 4;
    let most = records(&padded(&hello, rest), 16_384);
    assert_eq!(most.len(), ClientHello::MOST_BYTES);
    assert_eq!(whole(&most).server_name(), Some("chat.example.org"));
    let over = records(&padded(&hello, rest + 1), 16_384);
    fails(&over, TlsFailure::Protocol, 50);
    // The lengths tell, long before the bytes have come.
    fails(&over[..9], TlsFailure::Protocol, 50);
    fails(&[22, 3, 1, 0, 4, 1, 255, 255, 255], TlsFailure::Protocol, 50);
}

#[test]
fn no_change_of_a_byte_makes_it_panic_or_ask_for_too_much() {
    let hello = hello("chat.example.org");
    for at in 0..hello.len() {
        for change in [1, 128, 255] {
            let mut changed = hello.clone();
            changed[at] ^= change;
            match ClientHello::read(&changed) {
                Ok(HelloRead::Needs(bytes)) => assert!(bytes > changed.len() && bytes <= ClientHello::MOST_BYTES),
                Ok(HelloRead::Whole(_)) => {}
                Err(error) => assert_eq!(error.alert()[0], 21),
            }
        }
    }
}
