//! `chat --http`: the page, and its subprotocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Running, run};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;

struct Chat {
    server: Running,
    page: SocketAddr,
}

impl Chat {
    fn new(arguments: &[&str]) -> Chat {
        let server = Running::chat(&[&["--http", "127.0.0.1:0"], arguments].concat());
        let url = server.line.split_once("http://").expect("it says the page's address").1;
        let page = url.split_once('/').unwrap().0.parse().unwrap();
        Chat { server, page }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.page).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn get(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// A WebSocket, whose request has more headers.
    fn asking(&self, headers: &str) -> (Socket, String) {
        let mut stream = self.connect();
        let host = self.page;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        (Socket(stream), String::from_utf8(head).unwrap())
    }

    /// A page's WebSocket.
    fn page(&self) -> Socket {
        let origin = format!("Origin: http://{}\r\nSec-WebSocket-Protocol: proactor.chat\r\n", self.page);
        let (socket, head) = self.asking(&origin);
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("\r\nSec-WebSocket-Protocol: proactor.chat\r\n"));
        socket
    }

    fn person(&self, name: &str, room: &str) -> Socket {
        let mut socket = self.page();
        socket.say(&enter(name, room));
        let told = socket.hear();
        assert_eq!((&told["type"], &told["name"], &told["room"]), (&json!("room"), &json!(name), &json!(room)));
        socket
    }

    fn plain(&self) -> Plain {
        let stream = self.server.connect();
        Plain(BufReader::new(stream))
    }
}

fn enter(name: &str, room: &str) -> Value {
    json!({"type": "enter", "name": name, "room": room})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

struct Socket(TcpStream);

impl Socket {
    fn send(&mut self, first: u8, payload: &[u8]) {
        let len = match payload.len() {
            len @ 0..126 => vec![0x80 | len as u8],
            len @ 126..0x1_0000 => [&[0xfe][..], &(len as u16).to_be_bytes()].concat(),
            len => [&[0xff][..], &(len as u64).to_be_bytes()].concat(),
        };
        // Masked with zeros. A peer that has closed does not take all.
        let _ = self.0.write_all(&[&[first][..], &len, &[0; 4], payload].concat());
    }

    fn say(&mut self, message: &Value) {
        self.send(TEXT, message.to_string().as_bytes());
    }

    fn next(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 2];
        self.0.read_exact(&mut header).unwrap();
        let len = match header[1] {
            126 => {
                let mut len = [0; 2];
                self.0.read_exact(&mut len).unwrap();
                u16::from_be_bytes(len).into()
            }
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.0.read_exact(&mut payload).unwrap();
        (header[0], payload)
    }

    #[track_caller]
    fn hear(&mut self) -> Value {
        let (first, payload) = self.next();
        assert_eq!(first, TEXT, "{}", payload.escape_ascii());
        serde_json::from_slice(&payload).unwrap()
    }

    #[track_caller]
    fn expect(&mut self, message: Value) {
        assert_eq!(self.hear(), message);
    }

    #[track_caller]
    fn expect_refused(&mut self, reason: &str) {
        let told = self.hear();
        assert_eq!((&told["type"], &told["reason"]), (&json!("refused"), &json!(reason)));
        assert!(told["text"].as_str().is_some_and(|text| text.ends_with('.')), "{told}");
    }

    #[track_caller]
    fn expect_close(&mut self, code: u16, why: &str) {
        let (first, payload) = self.next();
        assert_eq!((first, &payload[..2]), (CLOSE, &code.to_be_bytes()[..]), "{}", payload.escape_ascii());
        let text = std::str::from_utf8(&payload[2..]).unwrap();
        assert!(text.contains(why), "{why:?} is not in {text:?}");
    }
}

struct Plain(BufReader<TcpStream>);

impl Plain {
    fn say(&mut self, line: &[u8]) {
        self.0.get_mut().write_all(&[line, b"\n"].concat()).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, line: &str) {
        let mut came = String::new();
        self.0.read_line(&mut came).unwrap();
        assert_eq!(came, format!("{line}\n"));
    }
}

#[test]
fn the_page_is_served_with_a_strict_policy() {
    let chat = Chat::new(&[]);
    let page = chat.get("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("<!doctype html>"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'; script-src 'self'; "), "{page}");
    for (path, kind) in [
        ("/chat.js", "text/javascript"),
        ("/chat.css", "text/css"),
        ("/theme.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let file = chat.get(&format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        assert!(file.contains(&format!("content-type: {kind}")) && file.ends_with("\r\n\r\n"), "{file}");
    }
    let none = chat.get("GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(none.starts_with("HTTP/1.1 404 "), "{none}");
    let post = chat.get("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
}

#[test]
fn pages_and_others_talk_in_one_room() {
    let chat = Chat::new(&[]);
    let mut nc = chat.plain();
    let mut ada = chat.page();
    // The plain one may still be on its way.
    ada.say(&enter("  Ada   L. ", "lobby"));
    let mut told = ada.hear();
    assert_eq!((&told["name"], &told["people"]), (&json!("Ada L."), &json!(["Ada L."])));
    while told["guests"] == json!(0) {
        told = ada.hear();
    }
    let mut bo = chat.page();
    bo.say(&enter("Bo", "lobby"));
    bo.expect(json!({"type": "room", "name": "Bo", "room": "lobby", "people": ["Ada L.", "Bo"], "guests": 1}));
    ada.expect(json!({"type": "presence", "joined": "Bo", "guests": 1}));
    ada.say(&text(" hello: <b>you</b> "));
    for page in [&mut ada, &mut bo] {
        page.expect(json!({"type": "text", "name": "Ada L.", "text": "hello: <b>you</b>"}));
    }
    nc.expect("Ada L.: hello: <b>you</b>");
    // No notice has come before it, nor an echo.
    let mut other = chat.plain();
    for page in [&mut ada, &mut bo] {
        page.expect(json!({"type": "presence", "guests": 2}));
    }
    nc.say(b"bytes\t\x1b \xff \"quoted\"");
    for page in [&mut ada, &mut bo] {
        page.expect(json!({"type": "text", "text": "bytes \u{fffd} \u{fffd} \"quoted\""}));
    }
    let mut line = Vec::new();
    other.0.read_until(b'\n', &mut line).unwrap();
    assert_eq!(line, b"bytes\t\x1b \xff \"quoted\"\n", "verbatim");
    nc.say(b"");
    nc.say(b"an empty line is no talk");
    other.expect("an empty line is no talk");
    ada.expect(json!({"type": "text", "text": "an empty line is no talk"}));
    let mut dee = chat.person("Dee", "attic");
    dee.say(&text("alone"));
    dee.expect(json!({"type": "text", "name": "Dee", "text": "alone"}));
    drop(nc);
    ada.expect(json!({"type": "presence", "guests": 1}));
}

#[test]
fn a_websocket_without_the_subprotocol_is_verbatim() {
    let chat = Chat::new(&[]);
    let (mut verbatim, head) = chat.asking("");
    assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("Protocol:"), "{head}");
    let mut nc = chat.plain();
    let mut ada = chat.page();
    ada.say(&enter("Ada", "lobby"));
    let mut told = ada.hear();
    while told["guests"] != json!(2) {
        told = ada.hear();
    }
    ada.say(&text("hello"));
    assert_eq!(verbatim.next(), (TEXT, b"Ada: hello".to_vec()));
    nc.expect("Ada: hello");
    verbatim.send(TEXT, br#"{"type":"text","text":"not parsed"}"#);
    nc.expect(r#"{"type":"text","text":"not parsed"}"#);
    ada.expect(json!({"type": "text", "name": "Ada", "text": "hello"}));
    ada.expect(json!({"type": "text", "text": r#"{"type":"text","text":"not parsed"}"#}));
    // Two lines are no packet of the others.
    verbatim.send(TEXT, b"two\nlines");
    verbatim.expect_close(1003, "no packet");
    ada.expect(json!({"type": "presence", "guests": 1}));
    // Another site's page may not, whatever it speaks.
    let (_, head) = chat.asking("Origin: http://example.org\r\n");
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
}

#[test]
fn what_is_no_message_ends_its_session_only() {
    let chat = Chat::new(&[]);
    let mut ada = chat.person("Ada", "lobby");
    let deep = "[".repeat(60_000);
    let long_key = json!({"type": "enter", "name": "Bo", "room": "lobby", "key": "k".repeat(65)}).to_string();
    for (message, why) in [
        ("{", "EOF"),
        ("[]", "not a message"),
        (&deep, "not a message"),
        (r#"{"type":"shout","text":"x"}"#, "shout"),
        (r#"{"type":"text"}"#, "text"),
        (r#"{"type":"enter","name":7,"room":""}"#, "not a message"),
        (&long_key, "64 bytes"),
    ] {
        let mut bo = chat.page();
        bo.send(TEXT, message.as_bytes());
        bo.expect_close(1007, why);
    }
    let mut bo = chat.page();
    bo.send(TEXT, b"{\"type\":\"text\",\"text\":\"\xff\"}");
    bo.expect_close(1007, "");
    let mut bo = chat.page();
    bo.send(BINARY, enter("Bo", "lobby").to_string().as_bytes());
    bo.expect_close(1003, "text");
    let mut bo = chat.page();
    bo.send(TEXT, &[b' '; 70_000]);
    bo.expect_close(1009, "");
    ada.say(&text("still here"));
    ada.expect(json!({"type": "text", "name": "Ada", "text": "still here"}));
}

#[test]
fn what_cannot_be_granted_is_refused_and_the_session_goes_on() {
    let chat = Chat::new(&[]);
    let mut ada = chat.person("Ada", "lobby");
    let mut bo = chat.page();
    bo.say(&text("too early"));
    bo.expect_refused("not_entered");
    for name in ["", " ", "a:b", "a\u{202e}b", "a\u{0}b", &"x".repeat(33), &"x".repeat(10_000)] {
        bo.say(&enter(name, "lobby"));
        bo.expect_refused("name_invalid");
    }
    bo.say(&enter("Bo", "\u{200b}"));
    bo.expect_refused("room_invalid");
    for taken in ["Ada", "aDA", " ada "] {
        bo.say(&enter(taken, "lobby"));
        bo.expect_refused("name_taken");
    }
    bo.say(&enter("Ada", "attic"));
    bo.expect(json!({"type": "room", "name": "Ada", "room": "attic", "people": ["Ada"], "guests": 0}));
    // It stays there when it may not move.
    bo.say(&enter("Ada", "lobby"));
    bo.expect_refused("name_taken");
    for (said, reason) in [("", "text_invalid"), ("two\nlines", "text_invalid"), (&*"x".repeat(2_001), "text_too_long")]
    {
        bo.say(&text(said));
        bo.expect_refused(reason);
    }
    let longest = "😀".repeat(2_000);
    bo.say(&text(&longest));
    bo.expect(json!({"type": "text", "name": "Ada", "text": longest}));
    bo.say(&enter("Bo", "lobby"));
    bo.expect(json!({"type": "room", "name": "Bo", "room": "lobby", "people": ["Ada", "Bo"], "guests": 0}));
    ada.expect(json!({"type": "presence", "joined": "Bo", "guests": 0}));
    bo.say(&enter("Bob", "lobby"));
    bo.expect(json!({"type": "room", "name": "Bob", "room": "lobby", "people": ["Ada", "Bob"], "guests": 0}));
    ada.expect(json!({"type": "presence", "joined": "Bob", "left": "Bo", "guests": 0}));
    bo.say(&enter("Bob", "attic"));
    bo.expect(json!({"type": "room", "name": "Bob", "room": "attic", "people": ["Bob"], "guests": 0}));
    ada.expect(json!({"type": "presence", "left": "Bob", "guests": 0}));
    ada.say(&text("not for the attic"));
    bo.say(&text("not for the lobby"));
    bo.expect(json!({"type": "text", "name": "Bob", "text": "not for the lobby"}));
}

#[test]
fn the_packets_of_others_may_be_too_short_for_a_text() {
    let chat = Chat::new(&["--max-frame", "20"]);
    let _nc = chat.plain();
    let mut ada = chat.page();
    ada.say(&enter("Ada", "lobby"));
    let mut told = ada.hear();
    while told["guests"] == json!(0) {
        told = ada.hear();
    }
    ada.say(&text("longer than twenty bytes"));
    ada.expect_refused("text_too_long");
    ada.say(&text("short"));
    ada.expect(json!({"type": "text", "name": "Ada", "text": "short"}));
}

#[test]
fn a_person_who_is_lost_leaves_and_can_come_back_at_once() {
    let chat = Chat::new(&[]);
    let mut ada = chat.person("Ada", "lobby");
    let mut bo = chat.person("Bo", "lobby");
    ada.expect(json!({"type": "presence", "joined": "Bo", "guests": 0}));
    socket2::SockRef::from(&bo.0).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(bo);
    ada.expect(json!({"type": "presence", "left": "Bo", "guests": 0}));
    bo = chat.person("Bo", "lobby");
    ada.expect(json!({"type": "presence", "joined": "Bo", "guests": 0}));
    bo.0.shutdown(Shutdown::Write).unwrap();
    ada.expect(json!({"type": "presence", "left": "Bo", "guests": 0}));

    // A connection that the server still takes for alive: its page comes by another, with its key.
    let keyed = |key: &str| json!({"type": "enter", "name": "Cy", "room": "lobby", "key": key});
    let mut lost = chat.page();
    lost.say(&keyed("secret"));
    lost.hear();
    ada.expect(json!({"type": "presence", "joined": "Cy", "guests": 0}));
    let mut back = chat.page();
    back.say(&keyed("guess"));
    back.expect_refused("name_taken");
    back.say(&keyed(""));
    back.expect_refused("name_taken");
    back.say(&keyed("secret"));
    assert_eq!(back.hear()["people"], json!(["Ada", "Cy"]));
    assert!(lost.0.read(&mut [0; 100]).is_err(), "the earlier one is reset");
    // Others have noticed nothing, and it is still there.
    back.say(&text("back"));
    ada.expect(json!({"type": "text", "name": "Cy", "text": "back"}));
    drop(back);
    ada.expect(json!({"type": "presence", "left": "Cy", "guests": 0}));
}

#[test]
fn a_room_has_a_limit() {
    let chat = Chat::new(&[]);
    let people: Vec<Socket> = (0..256).map(|index| chat.person(&format!("p{index}"), "hall")).collect();
    let mut late = chat.page();
    late.say(&enter("late", "hall"));
    late.expect_refused("room_full");
    late.say(&enter("late", "lobby"));
    assert_eq!(late.hear()["type"], "room");
    drop(people);
}

#[test]
fn a_drain_tells_pages_that_the_server_goes_away() {
    let chat = Chat::new(&[]);
    let mut ada = chat.person("Ada", "lobby");
    let mut door = chat.page();
    let mut kept = chat.connect();
    kept.write_all(b"GET /icon.svg HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    kept.read_exact(&mut [0; 15]).unwrap();
    chat.server.interrupt();
    ada.expect_close(1001, "");
    door.expect_close(1001, "");
    kept.read_to_end(&mut Vec::new()).unwrap();
    drop((ada, door, kept));
    let mut server = chat.server;
    assert_eq!(server.ended().code(), Some(0));
    let (_, summary) = server.rest_of_log();
    assert!(summary.contains("2: the server was drained") && summary.contains("drained 3 whole, 0 cut"), "{summary}");
}

#[test]
fn with_rooms_others_meet_pages_in_the_room_that_they_name() {
    let chat = Chat::new(&["--rooms"]);
    let mut nc = chat.plain();
    nc.say("Küche".as_bytes());
    let mut ada = chat.page();
    ada.say(&enter("Ada", "Küche"));
    let mut told = ada.hear();
    while told["guests"] == json!(0) {
        told = ada.hear();
    }
    ada.say(&text("hello"));
    nc.expect("Ada: hello");
    let mut lobby = chat.person("Bo", "lobby");
    nc.say(b"not in the lobby");
    lobby.say(&text("alone"));
    lobby.expect(json!({"type": "text", "name": "Bo", "text": "alone"}));
}

#[cfg(feature = "cluster")]
#[test]
fn pages_on_two_nodes_are_in_one_room_and_see_each_other() {
    let Some((_nats, url)) = crate::cluster::nats() else { return };
    let [one, two] = ["one", "two"].map(|name| Chat::new(&["--cluster", &url, "--node", name]));
    let (mut ann, mut ben) = (one.person("ann", "lobby"), two.person("ben", "lobby"));
    let until = |page: &mut Socket, field: &str, value: Value| while page.hear()[field] != value {};
    until(&mut ann, "joined", json!("ben"));
    until(&mut ben, "joined", json!("ann"));
    let _guest = two.plain();
    until(&mut ann, "guests", json!(1));
    until(&mut ben, "guests", json!(1));
    ann.say(&text("hello"));
    until(&mut ben, "text", json!("hello"));
    drop(ben);
    until(&mut ann, "left", json!("ben"));
    let mut ben = one.page();
    ben.say(&enter("ben", "lobby"));
    let told = ben.hear();
    assert_eq!((&told["people"], &told["guests"]), (&json!(["ann", "ben"]), &json!(1)));
}

#[test]
fn options_that_make_no_sense_are_named() {
    for (arguments, texts) in [
        (&["--http", "8080"][..], &["--http"][..]),
        (&["--http", "127.0.0.1:0", "--codec", "raw"], &["--http", "lines, length and length2"]),
        (&["--http", "127.0.0.1:0", "--codec", "fixed:8"], &["choose another --codec"]),
        (&["--http", "127.0.0.1:0", "--websocket-origin", "example.org"], &["https://example.org"]),
    ] {
        let output = run(&[&["chat", "--listen", "127.0.0.1:0"], arguments].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        for text in texts {
            assert!(said.contains(text), "{arguments:?}: {text:?} is not in {said:?}");
        }
    }
}
