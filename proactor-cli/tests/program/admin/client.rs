//! An admin client that writes what it likes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{PATIENCE, Running, proactor};

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// What is wrong, as the answer says it.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {}", self.body)).to_owned()
    }
}

/// A server with an admin listener.
pub(crate) fn start(command: &str, arguments: &[&str]) -> (Running, SocketAddr) {
    let own = [command, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let server = Running::of(proactor(&[&own, arguments].concat()));
    let admin = server.line.split_once("admin on http://").expect("it says where").1;
    let address = admin.split('/').next().unwrap().parse().unwrap();
    (server, address)
}

pub(crate) fn connect(admin: SocketAddr) -> TcpStream {
    try_connect(admin).unwrap()
}

/// To a listener that may refuse it, whose reset can come before the connection is there.
pub(crate) fn try_connect(admin: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Writes a request as it is, and reads to the end.
pub(crate) fn send(admin: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = connect(admin);
    // A server that has refused it already may have closed.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ").or(head.strip_prefix("HTTP/1.0 "))?.get(..3)?.parse().ok()?;
    Some(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

pub(crate) fn ask(admin: SocketAddr, method: &str, target: &str) -> Answer {
    ask_with(admin, method, target, "")
}

/// With more headers.
pub(crate) fn ask_with(admin: SocketAddr, method: &str, target: &str, headers: &str) -> Answer {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n{headers}\r\n");
    send(admin, request.as_bytes()).unwrap_or_else(|| panic!("no answer: {method} {target}"))
}

pub(crate) fn get(admin: SocketAddr, target: &str) -> Value {
    let answer = ask(admin, "GET", target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    answer.json()
}

/// A file of this test alone.
pub(crate) fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path
}

/// Sends a packet and waits for it to come back.
pub(crate) fn echo(stream: &mut TcpStream, packet: &[u8]) {
    stream.write_all(packet).unwrap();
    let mut back = vec![0; packet.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, packet);
}
