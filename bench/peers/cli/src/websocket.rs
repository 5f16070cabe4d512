//! What WebSocket peers, their trials and nobody else need: heads and headers, as bytes.

pub const CLOSE: u8 = 8;

/// A request, whose key is the standard's example.
pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The key in the head of a request.
pub fn key_of(head: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"sec-websocket-key:";
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines.find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))?;
    Some(line[NAME.len()..].trim_ascii())
}

/// The answer with which a connection becomes a WebSocket.
pub fn accepted(key: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \
         {key}\r\n\r\n"
    )
    .into_bytes()
}

/// The lengths of a client's header, with its key, and of the payload. `None`: it is not whole.
pub fn header_of_client(bytes: &[u8]) -> Option<(usize, usize)> {
    let (header, payload) = match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= header + 4).then_some((header + 4, payload))
}

/// The header of a server's binary message.
pub fn header_of_server(payload: usize) -> Vec<u8> {
    header(payload, 0)
}

/// A binary message of a client.
pub fn client_message(key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut message = header(payload.len(), 0x80);
    message.extend_from_slice(&key);
    message.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    message
}

/// A binary message of a server.
pub fn server_message(payload: &[u8]) -> Vec<u8> {
    [&header_of_server(payload.len())[..], payload].concat()
}

fn header(payload: usize, masked: u8) -> Vec<u8> {
    let mut header = vec![0x82];
    match payload {
        0..126 => header.push(masked | payload as u8),
        126..=0xffff => {
            header.push(masked | 126);
            header.extend_from_slice(&(payload as u16).to_be_bytes());
        }
        _ => {
            header.push(masked | 127);
            header.extend_from_slice(&(payload as u64).to_be_bytes());
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_header_is_read_as_it_is_written_and_not_before_it_is_whole() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let message = client_message([1, 2, 3, 4], &vec![7; len]);
            let (header, payload) = header_of_client(&message).unwrap();
            assert_eq!((header + payload, payload), (message.len(), len));
            assert!((0..header).all(|cut| header_of_client(&message[..cut]).is_none()));
        }
        assert_eq!(key_of(REQUEST), Some(&b"dGhlIHNhbXBsZSBub25jZQ=="[..]));
    }
}
