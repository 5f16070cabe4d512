//! What TLS costs in memory: nothing of ours for a packet, and little for an idle session beside
//! what rustls takes.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use proactor::tls::Tls;
use proactor::{AsyncSession, Backend, Flow, Handler, Listener, NoMessage, Server, Session, TlsFailure};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::backends;
use crate::counting::{allocations, bytes_held};
use crate::tls_peers::{Authority, NAME, Peer};

const PACKETS: u64 = 400;
const PARTS: u64 = 8;
/// rustls's own for a packet that is echoed: a copy of the record that came, and the record that is
/// sent.
const OF_RUSTLS: u64 = 2;

fn server(backend: Backend, tls: &Tls) -> proactor::Builder {
    Server::builder().listen(Listener::new("127.0.0.1:0").tls(tls)).shards(1).backend(Some(backend))
}

fn peer<M>(server: &Server<M>, authority: &Authority) -> Peer {
    authority.peer().connect(server.local_addrs()[0].ip().unwrap())
}

/// Echoes, and reports the allocations of the shard's thread in each part.
#[derive(Clone)]
struct Echo {
    counts: Sender<u64>,
    packets: u64,
    before: u64,
}

impl Echo {
    fn count(&mut self) {
        self.packets += 1;
        if self.packets.is_multiple_of(PACKETS) {
            self.counts.send(allocations() - self.before).unwrap();
            self.before = allocations();
        }
    }
}

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        self.count();
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

/// The least of what the parts took, the first left out: the system may split a record once.
fn least(server: &Server, authority: &Authority, counted: &mpsc::Receiver<u64>) -> u64 {
    let mut peer = peer(server, authority);
    for _ in 0..PARTS * PACKETS {
        peer.exchange(&[b'x'; 64]);
    }
    counted.iter().take(PARTS as usize).skip(1).min().unwrap()
}

#[test]
fn a_packet_over_tls_costs_no_allocation_but_those_of_rustls() {
    let authority = Authority::new();
    for backend in backends() {
        let (counts, counted) = mpsc::channel();
        let echo = Echo { counts, packets: 0, before: 0 };
        let server_of = server(backend, &authority.tls()).start(echo.clone()).unwrap();
        let taken = least(&server_of, &authority, &counted);
        assert_eq!(taken, OF_RUSTLS * PACKETS, "{backend}");
        // A task is handed the packet where it lies, too.
        let task = move |session: AsyncSession| {
            let mut echo = echo.clone();
            async move {
                while let Some(packet) = session.next().await {
                    echo.count();
                    session.send(&packet).await.unwrap();
                }
            }
        };
        let server_of = server(backend, &authority.tls()).serve(task).unwrap();
        let with_task = least(&server_of, &authority, &counted);
        assert!(with_task <= (OF_RUSTLS + 1) * PACKETS, "{backend}: {with_task}");
    }
}

/// Says how many bytes its shard's thread holds.
#[derive(Clone)]
struct Held;

impl Handler for Held {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), _: &[u8]) -> Flow {
        session.send(&bytes_held().to_be_bytes()).map_or(Flow::Close, |()| Flow::Continue)
    }
}

fn bytes_a_session(backend: Backend, authority: &Authority) -> i64 {
    const FEW: usize = 65;
    const MANY: usize = 129;
    // Without tickets: rustls may keep some.
    let tls = Tls::new(authority.server().resumption(false)).unwrap();
    let server = server(backend, &tls).start(Held).unwrap();
    let mut peers = Vec::new();
    let mut held = |count: usize| {
        while peers.len() < count {
            let mut peer = peer(&server, authority);
            peer.send(b"?");
            peer.expect_some(8);
            peers.push(peer);
        }
        let peer = peers.last_mut().unwrap();
        peer.send(b"?");
        i64::from_be_bytes(peer.expect_some(8).try_into().unwrap())
    };
    let few = held(FEW);
    (held(MANY) - few) / (MANY - FEW) as i64
}

/// What rustls's own server connection holds after the handshake.
fn bytes_of_rustls(authority: &Authority) -> i64 {
    const COUNT: i64 = 32;
    let pair = authority.sign(NAME);
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).unwrap();
    config.send_tls13_tickets = 0;
    let config = Arc::new(config);
    let mut kept = Vec::with_capacity(COUNT as usize);
    let mut peers: Vec<_> = (0..COUNT).map(|_| authority.peer().connection(NAME)).collect();
    let mut wire = Vec::with_capacity(64 * 1024);
    let mut held = 0;
    for peer in &mut peers {
        let before = bytes_held();
        let mut of_peer = 0;
        let mut server = Box::new(ServerConnection::new(Arc::clone(&config)).unwrap());
        while peer.is_handshaking() || server.is_handshaking() || peer.wants_write() {
            wire.clear();
            let at = bytes_held();
            while peer.wants_write() {
                peer.write_tls(&mut wire).unwrap();
            }
            of_peer += bytes_held() - at;
            server.read_tls(&mut &wire[..]).unwrap();
            server.process_new_packets().unwrap();
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let at = bytes_held();
            let mut came = &wire[..];
            while !came.is_empty() {
                peer.read_tls(&mut came).unwrap();
                peer.process_new_packets().unwrap();
            }
            of_peer += bytes_held() - at;
        }
        held += bytes_held() - before - of_peer;
        kept.push(server);
    }
    held / COUNT
}

#[test]
fn an_idle_session_over_tls_takes_at_most_a_kibibyte_more_than_rustls() {
    let authority = Authority::new();
    let bare = bytes_of_rustls(&authority);
    for backend in backends() {
        let bytes = bytes_a_session(backend, &authority);
        println!("{backend}: {bytes} bytes a session over TLS; rustls alone {bare}");
        assert!((500..=bare + 1024).contains(&bytes), "{backend}: {bytes} bytes a session, rustls alone {bare}");
    }
}

/// Half a hello, garbage, or nothing at all, and then the end.
fn abandon(server: &Server, hello: &[u8], count: usize) {
    let address = server.local_addrs()[0].ip().unwrap();
    let accepted = server.handle().stats().accepted + count as u64;
    for round in 0..count {
        let mut stream = TcpStream::connect(address).unwrap();
        let said: &[u8] = match round % 4 {
            0 => &hello[..hello.len() / 2],
            1 => hello,
            2 => b"GET / HTTP/1.1\r\n\r\n",
            _ => b"",
        };
        stream.write_all(said).unwrap();
    }
    let end = Instant::now() + Duration::from_secs(60);
    let all_have_ended = || {
        let stats = server.handle().stats();
        stats.accepted == accepted && stats.sessions <= 1
    };
    while !all_have_ended() {
        assert!(Instant::now() < end, "some are left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn abandoned_handshakes_leave_nothing_behind_and_disturb_nobody() {
    let authority = Authority::new();
    let mut hello = Vec::new();
    authority.peer().connection(NAME).write_tls(&mut hello).unwrap();
    for backend in backends() {
        let server = server(backend, &authority.tls()).start(Held).unwrap();
        let mut live = peer(&server, &authority);
        let mut held = || {
            live.send(b"?");
            i64::from_be_bytes(live.expect_some(8).try_into().unwrap())
        };
        // The first rounds fill the stores of buffers that are used again. A later round can still
        // have more handshakes at once than any before it, and tables grow with that; what leaks
        // grows with every round.
        let mut before = held();
        let mut rounds = 0;
        loop {
            for _ in 0..13 {
                abandon(&server, &hello, 400);
            }
            rounds += 1;
            let after = held();
            if rounds > 1 && after - before < 64 * 1024 {
                break;
            }
            assert!(rounds < 6, "{backend}: {before} bytes before, {after} after");
            before = after;
        }
        let stats = server.handle().stats();
        assert_eq!(stats.tls_failed(TlsFailure::NotTls), rounds * 1_300);
        assert_eq!(stats.tls_failures().map(|(_, count)| count).sum::<u64>(), rounds * 5_200);
    }
}
