//! Long packets that are sent on as they were received, by pairs and by handlers, where TLS, a
//! WebSocket or a PROXY header lies in between: what arrives is what was sent, and each side has
//! only what belongs on it.

use std::cell::RefCell;
use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proactor::codec::Raw;
use proactor::tls::Tls;
use proactor::{
    Builder, Flow, Handler, Limits, Listener, NoMessage, Origin, ProxyHeader, ProxyProtocol, ProxyVersion, Server,
    Session, Target, WebSocket, WebSocketClient,
};
use rustls::StreamOwned;

use super::peers::{Authority, NAME, Peer};
use crate::harness::{address_of, backends, connect, expect, finish, pattern, read_to_end, wait_until};

/// What lies between two servers.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Tls,
    WebSocket,
    Both,
}

const ALL: [Between; 4] = [Between::Nothing, Between::Tls, Between::WebSocket, Between::Both];

impl Between {
    fn has_tls(self) -> bool {
        matches!(self, Between::Tls | Between::Both)
    }

    fn has_websocket(self) -> bool {
        matches!(self, Between::WebSocket | Between::Both)
    }

    fn listener(self, authority: &Authority) -> Listener {
        let listener = Listener::new("127.0.0.1:0").codec(Raw);
        let listener = if self.has_tls() { listener.tls(&authority.tls()) } else { listener };
        if self.has_websocket() { listener.websocket(WebSocket::new()) } else { listener }
    }

    fn target(self, authority: &Authority, address: std::net::SocketAddr) -> Target {
        let target = Target::from(address);
        let target = if self.has_tls() { target.tls_as(&authority.client(), NAME) } else { target };
        if self.has_websocket() { target.websocket(&WebSocketClient::new("/")) } else { target }
    }
}

/// Pairs each client with a connection to the target.
#[derive(Clone)]
struct Proxy(Target);

impl Handler for Proxy {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        match session.origin() {
            Origin::Connected { opener: Some(client), .. } => {
                let client = session.sibling(client).expect("it waits");
                client.pair(session).expect("both are open");
                client.resume();
            }
            _ => {
                session.pause();
                session.connect(self.0.clone(), 0).unwrap();
            }
        }
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        panic!("it is paired");
    }
}

/// Echoes, and says good bye behind the packet that ends with a zero.
#[derive(Clone)]
struct Echo;

const BYE: &[u8] = b"bye";

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).unwrap();
        if packet.last() != Some(&0) {
            return Flow::Continue;
        }
        session.send(BYE).unwrap();
        Flow::Close
    }
}

fn asked(bytes: usize) -> Vec<u8> {
    let mut asked: Vec<u8> = pattern(3, bytes).into_iter().map(|byte| byte.max(1)).collect();
    asked[bytes - 1] = 0;
    asked
}

fn on_each_backend(test: impl Fn(Builder)) {
    for backend in backends() {
        test(Server::builder().shards(1).backend(Some(backend)).limits(Limits::new().outbox_bytes(8 << 20)));
    }
}

/// From a client through a proxy to another proxy, and from there to a server that echoes. The
/// first one's clients say by a PROXY header who they are.
#[test]
fn pairs_pass_on_long_packets_through_every_seam() {
    const BYTES: usize = 3 << 20;
    let (authority, asked) = (Authority::new(), asked(BYTES));
    let header =
        ProxyHeader::new(ProxyVersion::V2, "203.0.113.7:1234".parse().unwrap(), "192.0.2.1:443".parse().unwrap());
    for between in ALL {
        on_each_backend(|builder| {
            let server = builder.clone().codec(Raw).listen("127.0.0.1:0").start(Echo).unwrap();
            let second = builder.clone().listen(between.listener(&authority));
            let second = second.start(Proxy(address_of(&server).into())).unwrap();
            let first = Listener::new("127.0.0.1:0").codec(Raw).proxy_protocol(ProxyProtocol::required());
            let first = builder.listen(first).start(Proxy(between.target(&authority, address_of(&second)))).unwrap();
            let mut client = connect(address_of(&first));
            client.write_all(&header.to_bytes()).unwrap();
            let answer = thread::scope(|scope| {
                scope.spawn(|| {
                    for piece in asked.chunks(50_000) {
                        (&client).write_all(piece).unwrap();
                    }
                });
                read_to_end(&client)
            });
            assert!(answer == [&asked[..], BYE].concat(), "{between:?}: {} bytes are not the same", answer.len());
            finish(first);
            finish(second);
            finish(server);
        });
    }
}

/// Nothing but the echo lies behind the seam.
#[test]
fn handlers_echo_long_packets_through_every_seam() {
    const BYTES: usize = 2 << 20;
    let (authority, asked) = (Authority::new(), asked(BYTES));
    for between in ALL {
        on_each_backend(|builder| {
            let server = builder.clone().listen(between.listener(&authority)).start(Echo).unwrap();
            let target = between.target(&authority, address_of(&server));
            let proxy = builder.codec(Raw).listen("127.0.0.1:0").start(Proxy(target)).unwrap();
            let client = connect(address_of(&proxy));
            let answer = thread::scope(|scope| {
                scope.spawn(|| (&client).write_all(&asked).unwrap());
                read_to_end(&client)
            });
            assert!(answer == [&asked[..], BYE].concat(), "{between:?}: {} bytes are not the same", answer.len());
            finish(proxy);
            finish(server);
        });
    }
}

thread_local! {
    static TAKERS: RefCell<Vec<Session>> = const { RefCell::new(Vec::new()) };
}

/// Sends what a plain session brings to all others, of whatever kind, and back to itself. The end
/// of its stream closes all, behind a last word.
#[derive(Clone)]
struct Relay(Arc<AtomicUsize>);

impl Handler for Relay {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        TAKERS.with_borrow_mut(|takers| takers.push(session.clone()));
        self.0.fetch_add(1, Ordering::Release);
    }
    fn received(&mut self, _: &Session, (): &mut (), packet: &[u8]) -> Flow {
        TAKERS.with_borrow(|takers| takers.iter().for_each(|taker| taker.send(packet).unwrap()));
        Flow::Continue
    }
    fn ended(&mut self, _: &Session, (): &mut ()) -> Flow {
        for taker in TAKERS.take() {
            let _ = taker.send(BYE);
            taker.close();
        }
        Flow::Continue
    }
}

/// One packet leaves to peers behind every seam, and what is sealed for one is not what another is
/// sent.
#[test]
fn one_packet_is_sent_on_to_plain_and_sealed_peers_at_once() {
    const BYTES: usize = 1 << 20;
    let (authority, asked) = (Authority::new(), asked(BYTES));
    on_each_backend(|builder| {
        let open = Arc::new(AtomicUsize::new(0));
        let relay = ALL.iter().fold(builder.clone(), |builder, between| builder.listen(between.listener(&authority)));
        let relay = relay.start(Relay(Arc::clone(&open))).unwrap();
        let proxies: Vec<_> = ALL
            .iter()
            .zip(relay.local_addrs())
            .map(|(between, address)| {
                let target = between.target(&authority, address.ip().unwrap());
                builder.clone().codec(Raw).listen("127.0.0.1:0").start(Proxy(target)).unwrap()
            })
            .collect();
        let takers: Vec<_> = proxies.iter().map(|proxy| connect(address_of(proxy))).collect();
        wait_until("all are open", || open.load(Ordering::Acquire) == ALL.len());
        let answers: Vec<Vec<u8>> = thread::scope(|scope| {
            let readers: Vec<_> = takers.iter().map(|taker| scope.spawn(|| read_to_end(taker))).collect();
            (&takers[0]).write_all(&asked).unwrap();
            takers[0].shutdown(Shutdown::Write).unwrap();
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        });
        for (between, answer) in ALL.iter().zip(answers) {
            assert!(answer == [&asked[..], BYE].concat(), "{between:?}: {} bytes are not the same", answer.len());
        }
        proxies.into_iter().for_each(finish);
        finish(relay);
    });
}

/// Echoes, in plain up to a packet that ends with a zero, and over TLS behind it.
#[derive(Clone)]
struct Starting(Tls);

impl Handler for Starting {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).unwrap();
        if session.tls().is_none() && packet.last() == Some(&0) {
            session.send(BYE).unwrap();
            session.start_tls(&self.0).unwrap();
            session.send(BYE).unwrap();
        }
        Flow::Continue
    }
}

/// What is sent on before TLS starts in a running session leaves in plain, with what is behind it.
#[test]
fn what_is_sent_on_before_tls_starts_leaves_in_plain() {
    let authority = Authority::new();
    on_each_backend(|builder| {
        let builder = builder.codec(Raw).listen("127.0.0.1:0");
        let server = builder.start(Starting(authority.tls())).unwrap();
        for bytes in [12_000, 100_000, 1 << 20] {
            let asked = asked(bytes);
            let stream = connect(address_of(&server));
            thread::scope(|scope| {
                scope.spawn(|| (&stream).write_all(&asked).unwrap());
                expect(&stream, &[&asked[..], BYE].concat());
            });
            let mut peer = Peer(StreamOwned::new(authority.peer().connection(NAME), stream));
            peer.expect(BYE);
            peer.exchange(&asked[..bytes.min(50_000)]);
        }
        finish(server);
    });
}
