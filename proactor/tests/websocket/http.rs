//! HTTP beside the WebSocket of a listener.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use overlapped::Address;
use proactor::codec::Fixed;
use proactor::{
    Builder, CloseReason, Flow, Handler, Limits, Listener, MessageKind, Network, NoMessage, Server, Session, SessionId,
    SimClient, Timeouts, WebSocket,
};

use super::peer::{ACCEPTED, BINARY, CLOSE, Frames, LAST, Peer, REQUEST, TEXT, closing, frame, sent};
use super::sessions::{listener, on_each_backend};
use crate::harness::{address_of, connect, expect, finish, pattern, read_end, read_to_end, wait_until};

/// Echoes messages, and keeps the ids of the sessions that it was told of.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<SessionId>>>);

impl Handler for Told {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        self.0.lock().unwrap().push(session.id());
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send_as(session.packet_kind(), packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

/// What the service has done, and what a request of `/wait` waits for.
#[derive(Clone, Default)]
struct Site {
    calls: Arc<AtomicUsize>,
    is_open: Arc<AtomicBool>,
    waiting: Arc<Mutex<Vec<Waker>>>,
}

impl Site {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        self.waiting.lock().unwrap().drain(..).for_each(Waker::wake);
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            self.waiting.lock().unwrap().push(cx.waker().clone());
            if self.is_open.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<Address>().expect("it says who asks").clone();
        let body = match parts.uri.path() {
            "/" => Bytes::from_static(b"a page"),
            "/peer" => peer.to_string().into(),
            "/echo" => match body.collect().await {
                Ok(whole) => whole.to_bytes(),
                Err(_) => Bytes::from_static(b"the body was cut"),
            },
            "/long" => Bytes::from_static(&LONG),
            "/wait" => {
                self.wait().await;
                Bytes::from_static(b"at last")
            }
            "/panic" => panic!("on purpose"),
            "/never" => pending().await,
            _ => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NOT_FOUND;
                return Ok(response);
            }
        };
        Ok(Response::new(Full::new(body)))
    }

    fn beside(&self, websocket: WebSocket) -> WebSocket {
        let site = self.clone();
        websocket.http(service_fn(move |request| site.clone().answer(request)))
    }
}

/// More than the buffers of two sockets hold.
static LONG: [u8; 16 << 20] = [7; 16 << 20];

/// A server with a page at `/` and a WebSocket at `/ws`.
fn started(builder: Builder, change: impl FnOnce(WebSocket) -> WebSocket) -> (Server, SocketAddr, Site, Told) {
    let (site, told) = (Site::default(), Told::default());
    let websocket = site.beside(change(WebSocket::new().path("/ws")));
    let server = builder.listen(listener(websocket)).start(told.clone()).unwrap();
    let address = address_of(&server);
    (server, address, site, told)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: example.org\r\n\r\n")
}

/// Reads one answer: its head, and its body by the length that it says.
#[track_caller]
fn answer(mut stream: &TcpStream) -> (u16, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {}", head.escape_ascii()));
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head[9..12].parse().unwrap(), body)
}

#[track_caller]
fn expect_page(stream: &TcpStream) {
    assert_eq!(answer(stream), (200, b"a page".to_vec()));
}

/// Sends bytes, and returns all that comes until the end.
fn said_to(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(bytes).unwrap();
    String::from_utf8_lossy(&read_to_end(&stream)).into_owned()
}

#[test]
fn a_page_and_its_websocket_are_on_one_port() {
    on_each_backend(|builder| {
        let (server, address, site, told) = started(builder, |websocket| websocket);
        let peer = Peer::new(address);
        let stream = connect(address);
        (&stream).write_all(get("/").as_bytes()).unwrap();
        expect_page(&stream);
        peer.send(TEXT, "and a message");
        peer.expect(TEXT, "and a message");
        (&stream).write_all(get("/peer").as_bytes()).unwrap();
        assert_eq!(answer(&stream).1, stream.local_addr().unwrap().to_string().as_bytes(), "who has asked");
        (&stream).write_all(get("/none").as_bytes()).unwrap();
        assert_eq!(answer(&stream).0, 404);
        assert_eq!((site.calls(), told.0.lock().unwrap().len()), (3, 1), "the logic hears of the WebSocket only");
        assert_eq!(server.handle().sessions(), 2, "both are sessions by the limits");
        drop((stream, peer));
        finish(server);
    });
}

#[test]
fn requests_may_come_in_any_pieces_and_behind_each_other() {
    on_each_backend(|builder| {
        let (server, address, ..) = started(builder, |websocket| websocket);
        let body = pattern(3, 70_000);
        let post = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let all = [get("/").as_bytes(), post.as_bytes(), &body, chunked.as_bytes(), get("/").as_bytes()].concat();
        for piece in [1, 1000, all.len()] {
            let stream = connect(address);
            std::thread::scope(|scope| {
                let pieces = if piece == 1 { get("/").into_bytes() } else { all.clone() };
                let writes = &stream;
                scope.spawn(move || pieces.chunks(piece).for_each(|piece| (&*writes).write_all(piece).unwrap()));
                expect_page(&stream);
                if piece > 1 {
                    assert!(answer(&stream) == (200, body.clone()), "in pieces of {piece}");
                    assert_eq!(answer(&stream), (200, b"abc".to_vec()));
                    expect_page(&stream);
                }
            });
            stream.shutdown(Shutdown::Write).unwrap();
            read_end(&stream);
        }
        finish(server);
    });
}

#[test]
fn each_method_and_version_is_answered_as_http_says() {
    on_each_backend(|builder| {
        let (server, address, ..) = started(builder, |websocket| websocket);
        let head = said_to(address, b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").to_lowercase();
        assert!(head.starts_with("http/1.1 200 ok\r\n") && head.contains("content-length: 6\r\n"), "{head}");
        assert!(head.contains("\r\ndate: ") && head.ends_with("\r\n\r\n"), "no body: {head}");
        let old = said_to(address, b"GET / HTTP/1.0\r\n\r\n");
        assert!(old.starts_with("HTTP/1.0 200 OK\r\n") && old.ends_with("\r\n\r\na page"), "{old}");
        // A client that ends its stream behind its request has its answer.
        let stream = connect(address);
        (&stream).write_all(get("/long").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(answer(&stream) == (200, LONG.to_vec()));
        read_end(&stream);
        let of_two = said_to(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert!(of_two.starts_with("HTTP/1.1 505 "), "{of_two}");
        finish(server);
    });
}

#[test]
fn what_is_for_the_websocket_is_not_given_to_the_service() {
    on_each_backend(|builder| {
        let (server, address, site, told) = started(builder, |websocket| websocket);
        for (request, status) in [
            (get("/ws"), 426),
            (get("/ws?a"), 426),
            (get("/ws").replace("GET", "POST"), 405),
            (REQUEST.replace("/ws", "/"), 404),
            (REQUEST.replace("\r\n\r\n", "\r\nOrigin: http://other.org\r\n\r\n"), 403),
            (REQUEST.replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\n"), 400),
            (REQUEST.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
            (REQUEST.replace("Upgrade: websocket", "Upgrade : websocket"), 400),
        ] {
            // What is behind a request that is refused is not read.
            let said = said_to(address, format!("{request}{}", get("/")).as_bytes());
            assert!(said.starts_with(&format!("HTTP/1.1 {status} ")) && !said.contains("a page"), "{request}: {said}");
        }
        for garbage in [&b"\x16\x03\x01\x02\x00"[..], b"get / HTTP/1.1\r\n\r\n", b"\0\0\0\x05hello"] {
            assert!(said_to(address, garbage).starts_with("HTTP/1.1 400 "), "{}", garbage.escape_ascii());
        }
        assert_eq!((site.calls(), told.0.lock().unwrap().len()), (0, 0));
        let refused: u64 = server.handle().stats().upgrades_refused().map(|(_, count)| count).sum();
        assert_eq!(refused, 11);
        finish(server);
    });
}

#[test]
fn nothing_is_smuggled_past_an_upgrade() {
    on_each_backend(|builder| {
        let (server, address, site, _) = started(builder, |websocket| websocket);
        // Behind an upgrade are frames, and this is none.
        let (peer, head) = Peer::asking(address, &format!("{REQUEST}{}", get("/")));
        assert_eq!(head, ACCEPTED);
        peer.expect_close(1002);
        // An upgrade behind another request may be another client's of the same proxy.
        let stream = connect(address);
        (&stream).write_all(format!("{}{REQUEST}{}", get("/"), get("/")).as_bytes()).unwrap();
        expect_page(&stream);
        assert_eq!(answer(&stream), (421, Vec::new()));
        assert_eq!(read_to_end(&stream), b"", "it is closed");
        let stream = connect(address);
        (&stream).write_all(format!("{}{}", get("/"), get("/ws")).as_bytes()).unwrap();
        expect_page(&stream);
        assert_eq!(answer(&stream), (426, Vec::new()));
        assert_eq!(read_to_end(&stream), b"");
        // Two lengths.
        let two = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabc";
        assert!(said_to(address, format!("{two}{}", get("/")).as_bytes()).starts_with("HTTP/1.1 400 "));
        assert_eq!(site.calls(), 2);
        finish(server);
    });
}

#[test]
fn the_head_of_each_request_is_limited() {
    on_each_backend(|builder| {
        let (server, address, site, _) = started(builder, |websocket| websocket.max_head(9000, 5));
        let long = get("/").replace("\r\n\r\n", &format!("\r\nCookie: {}\r\n\r\n", "x".repeat(9000)));
        let many = get("/").replace("\r\n\r\n", &format!("{}\r\n\r\n", "\r\na: b".repeat(5)));
        for request in [&long, &many] {
            assert!(said_to(address, request.as_bytes()).starts_with("HTTP/1.1 431 "));
            let stream = connect(address);
            (&stream).write_all(get("/").as_bytes()).unwrap();
            expect_page(&stream);
            (&stream).write_all(request.as_bytes()).unwrap();
            assert_eq!(answer(&stream).0, 431, "also if it is not the first");
            read_end(&stream);
        }
        assert_eq!(site.calls(), 2);
        finish(server);
    });
}

#[test]
fn a_connection_without_a_request_is_closed_and_one_that_is_answered_is_not() {
    on_each_backend(|builder| {
        let (server, address, site, _) =
            started(builder, |websocket| websocket.max_upgrade_time(Duration::from_millis(500)));
        let quiet = connect(address);
        (&quiet).write_all(get("/").as_bytes()).unwrap();
        expect_page(&quiet);
        let slow = connect(address);
        (&slow).write_all(format!("{}GET / HTTP/1.1\r\nHost:", get("/")).as_bytes()).unwrap();
        expect_page(&slow);
        let (long, waits) = (connect(address), connect(address));
        (&long).write_all(get("/long").as_bytes()).unwrap();
        (&waits).write_all(get("/wait").as_bytes()).unwrap();
        read_end(&quiet);
        read_end(&slow);
        drop((quiet, slow));
        let idle = |server: &Server| server.handle().stats().closed(CloseReason::Idle);
        wait_until("they are closed", || idle(&server) == 2);
        assert!(answer(&long) == (200, LONG.to_vec()), "one that takes its answer slowly is not closed");
        site.open();
        assert_eq!(answer(&waits), (200, b"at last".to_vec()), "nor one whose request is at work");
        read_end(&waits);
        read_end(&long);
        drop((waits, long));
        wait_until("they have their answers, and are closed too", || idle(&server) == 4);
        finish(server);
    });
}

#[test]
fn a_service_that_panics_ends_one_connection() {
    on_each_backend(|builder| {
        let (server, address, ..) = started(builder, |websocket| websocket);
        let peer = Peer::new(address);
        assert_eq!(said_to(address, get("/panic").as_bytes()), "");
        peer.send(BINARY, "still there");
        peer.expect(BINARY, "still there");
        wait_until("it is closed", || server.handle().stats().closed(CloseReason::Panic) == 1);
        drop(peer);
        finish(server);
    });
}

#[test]
fn a_drain_waits_for_the_answers_and_closes_the_others() {
    on_each_backend(|builder| {
        let (server, address, site, _) = started(builder, |websocket| websocket);
        let (idle, waits) = (connect(address), connect(address));
        (&idle).write_all(get("/").as_bytes()).unwrap();
        expect_page(&idle);
        // The second of them is not answered any more.
        (&waits).write_all(format!("{}{}", get("/wait"), get("/")).as_bytes()).unwrap();
        wait_until("it is at work", || site.calls() == 2);
        let handle = server.handle();
        handle.drain(Duration::from_secs(60));
        read_end(&idle);
        site.open();
        assert_eq!(answer(&waits), (200, b"at last".to_vec()));
        read_end(&waits);
        drop((idle, waits));
        server.wait().unwrap();
        assert_eq!((handle.stats().drain_cut, handle.sessions()), (0, 0));
    });
}

#[test]
fn a_stop_or_a_client_that_leaves_drops_what_is_at_work() {
    on_each_backend(|builder| {
        let (server, address, site, _) = started(builder, |websocket| websocket);
        let (leaves, stays) = (connect(address), connect(address));
        for stream in [&leaves, &stays] {
            (&*stream).write_all(get("/never").as_bytes()).unwrap();
        }
        wait_until("both are at work", || site.calls() == 2);
        socket2::SockRef::from(&leaves).set_linger(Some(Duration::ZERO)).unwrap();
        drop(leaves);
        wait_until("it is gone", || server.handle().sessions() == 1);
        server.handle().stop();
        server.wait().unwrap();
        assert!((&stays).read(&mut [0]).map_or(true, |bytes| bytes == 0));
    });
}

#[test]
fn limits_and_timeouts_of_sessions_hold() {
    on_each_backend(|builder| {
        let builder = builder
            .limits(Limits::new().sessions(2).outbox_bytes(64 * 1024))
            .timeouts(Timeouts::new().write(Duration::from_millis(200)));
        let (server, address, site, _) = started(builder, |websocket| websocket);
        let (first, second) = (connect(address), connect(address));
        (&first).write_all(get("/long").as_bytes()).unwrap();
        wait_until("it is at work", || site.calls() == 1);
        (&second).write_all(get("/").as_bytes()).unwrap();
        expect_page(&second);
        let third = connect(address);
        assert!((&third).read(&mut [0]).map_or(true, |bytes| bytes == 0), "it is refused");
        let reset = |server: &Server| server.handle().stats().closed(CloseReason::WriteTimeout);
        wait_until("the one that takes nothing is reset", || reset(&server) == 1);
        drop((first, second));
        finish(server);
    });
}

#[test]
fn lists_do_not_have_them() {
    on_each_backend(|builder| {
        let (server, address, ..) = started(builder, |websocket| websocket);
        let peer = Peer::new(address);
        peer.send(TEXT, "x");
        peer.expect(TEXT, "x");
        let stream = connect(address);
        (&stream).write_all(get("/").as_bytes()).unwrap();
        expect_page(&stream);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let listed = runtime.block_on(server.handle().list_sessions(|_| true).unwrap());
        assert_eq!(listed.len(), 1);
        drop((peer, stream));
        finish(server);
    });
}

/// A run on a simulated network, and its trace.
fn run(seed: u64) -> u64 {
    let network = Network::new(seed);
    let site = Site::default();
    let websocket = site.beside(WebSocket::new().path("/ws").max_upgrade_time(Duration::from_secs(3)));
    let builder = Server::builder().listen(Listener::new("10.0.0.1:80").websocket(websocket)).shards(2);
    let server = builder.simulate(&network, Told::default()).unwrap();
    let peer = server.client("10.0.0.1:80", Frames::default());
    peer.send_bytes(REQUEST);
    peer.expect(ACCEPTED);
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\na page";
    let clients: Vec<SimClient> = (0..3).map(|_| server.client("10.0.0.1:80", Fixed::new(page.len()))).collect();
    for client in &clients {
        client.send_bytes(get("/").repeat(5));
        peer.send(sent(TEXT, "between"));
    }
    for client in &clients {
        (0..5).for_each(|_| client.expect(page));
        peer.expect(frame(LAST | TEXT, b"between", false));
    }
    // Quiet for longer than a head may take.
    for client in &clients {
        client.expect_end();
        client.close();
    }
    peer.expect_nothing(Duration::from_secs(1));
    assert_eq!((site.calls(), server.handle().sessions()), (15, 1));
    server.handle().drain(Duration::from_secs(5));
    peer.expect(frame(LAST | CLOSE, &closing(1001, ""), false));
    network.trace()
}

#[test]
fn a_simulated_network_has_the_same_run_for_the_same_seed() {
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

#[test]
fn a_handle_sends_messages_of_either_kind() {
    on_each_backend(|builder| {
        let told = Told::default();
        let builder = builder.listen("127.0.0.1:0").listen(listener(WebSocket::new().text()));
        let server = builder.start(told.clone()).unwrap();
        let Address::Ip(address) = server.local_addrs()[1] else { unreachable!("it listens on TCP") };
        let peer = Peer::new(address);
        wait_until("it is a session", || told.0.lock().unwrap().len() == 1);
        let id = told.0.lock().unwrap()[0];
        let handle = server.handle();
        handle.send_as(id, MessageKind::Binary, "bytes").unwrap();
        handle.send_as(id, MessageKind::Text, &b"not text: \xff"[..]).unwrap();
        handle.send(id, "text, by the settings").unwrap();
        peer.expect(BINARY, "bytes");
        peer.expect(TEXT, "text, by the settings");
        peer.write(&sent(TEXT, "?"));
        peer.expect(TEXT, "?");
        let plain = connect(address_of(&server));
        wait_until("it is a session", || told.0.lock().unwrap().len() == 2);
        let plain_id = told.0.lock().unwrap()[1];
        handle.send_as(plain_id, MessageKind::Text, &b"any bytes \xff"[..]).unwrap();
        expect(&plain, b"any bytes \xff");
        drop((peer, plain));
        wait_until("both are gone", || server.handle().sessions() == 0);
        // Nobody is there, and nobody else gets it.
        handle.send_as(id, MessageKind::Binary, "late").unwrap();
        let other = Peer::new(address);
        other.send(TEXT, "mine");
        assert_eq!(other.next(), (LAST | TEXT, b"mine".to_vec()));
        drop(other);
        finish(server);
    });
}
