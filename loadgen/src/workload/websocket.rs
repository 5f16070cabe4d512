//! The part of WebSocket that a load needs: the request that begins a connection, a client's masked
//! messages, and the messages that come back.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};

use crate::Random;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// What the answer says to the key of the request: the standard's example.
const ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const LONGEST_HEAD: usize = 4096;

/// Upgrades a connection, and waits until the server has accepted.
pub(super) fn upgrade(mut socket: &TcpStream) -> Result<()> {
    socket.write_all(REQUEST.as_bytes()).context("asking for a WebSocket")?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < LONGEST_HEAD, "the answer to the upgrade has no end");
        socket.read_exact(&mut byte).context("the answer to the upgrade")?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 101"), "the server does not upgrade: {status}");
    ensure!(head.contains(ACCEPTED), "the answer to the upgrade does not belong to the request");
    Ok(())
}

/// A client's message: binary, masked with a key of its own.
pub(super) fn masked(payload: &[u8], random: &mut Random) -> Vec<u8> {
    let mut key = [0; 4];
    random.fill(&mut key);
    let mut message = header(payload.len(), 0x80);
    message.extend_from_slice(&key);
    message.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    message
}

/// A server's message.
pub(super) fn plain(payload: &[u8]) -> Vec<u8> {
    [&header(payload.len(), 0)[..], payload].concat()
}

fn header(payload: usize, masked: u8) -> Vec<u8> {
    match payload {
        0..126 => vec![0x82, masked | payload as u8],
        126..=0xffff => [&[0x82, masked | 126][..], &(payload as u16).to_be_bytes()].concat(),
        _ => [&[0x82, masked | 127][..], &(payload as u64).to_be_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use overlapped::Time;

    use super::super::content::Content;
    use super::super::echoes::{Echo, Echoes, Pace};
    use super::super::load::Load;
    use super::super::window::Window;
    use super::*;

    #[test]
    fn headers_are_those_of_the_standard_and_masks_differ() {
        assert_eq!(plain(b"Hello"), b"\x82\x05Hello");
        assert_eq!(plain(&[7; 256])[..4], [0x82, 126, 1, 0]);
        assert_eq!(plain(&[7; 65_536])[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        let mut random = Random::new(1);
        let (one, other) = (masked(b"Hello", &mut random), masked(b"Hello", &mut random));
        assert_eq!((&one[..2], one.len()), (&[0x82, 0x85][..], 11));
        assert_ne!(one[2..], other[2..]);
        let payload: Vec<u8> = one[6..].iter().zip(one[2..6].iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        assert_eq!(payload, b"Hello");
    }

    #[test]
    fn the_answer_has_no_mask_and_is_the_same_message() {
        for size in [13, 200] {
            let mut load = Echoes::<Echo>::new(2, Content::over_websocket(size, 1), Pace::Closed { least: 0, most: 1 });
            load.start(Time::ZERO);
            let mut window = Window::endless().unwrap();
            for number in 1..4 {
                let sent = load.unsent(1).to_vec();
                load.sent(1, sent.len());
                let (header, behind) = sent.split_at(if size < 126 { 2 } else { 4 });
                let (key, masked) = behind.split_at(4);
                let payload = masked.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
                let mut answer: Vec<u8> = header.iter().copied().chain(payload).collect();
                answer[1] &= 0x7f;
                load.received(1, &answer[..5], Time::ZERO, &mut window).unwrap();
                load.received(1, &answer[5..], Time::ZERO, &mut window).unwrap();
                assert_eq!(window.units(), number);
            }
            let sent = load.unsent(1).to_vec();
            load.sent(1, sent.len());
            assert!(load.received(1, &sent, Time::ZERO, &mut window).is_err(), "it is masked");
        }
    }
}
