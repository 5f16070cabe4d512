//! What has no meaning for datagrams is refused by name.

use std::net::TcpStream;
#[cfg(feature = "tls")]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

#[cfg(feature = "tls")]
use proactor::StartTlsError;
use proactor::codec::Lines;
#[cfg(feature = "tls")]
use proactor::tls::{Tls, TlsConfig};
use proactor::{
    Datagrams, Flow, Handler, IpNet, Listener, ListenerLimits, NoMessage, PairError, ProxyProtocol, Server, Session,
    SessionId, WebSocket,
};

use super::handlers::{Echo, last_of, peer};
use super::harness::{finish, next, on_each_backend};

#[test]
fn a_listener_for_datagrams_with_what_is_for_streams_does_not_start() {
    let datagrams = || Listener::datagrams("127.0.0.1:0");
    let any: IpNet = "0.0.0.0/0".parse().unwrap();
    let settings = Datagrams::new();
    let sized = |bytes| datagrams().datagram_settings(settings.clone().max_bytes(bytes));
    for (listener, what) in [
        (datagrams().codec(Lines::new()), "a codec"),
        (datagrams().websocket(WebSocket::new()), "WebSocket"),
        (datagrams().proxy_protocol(ProxyProtocol::required().trust([any])), "the PROXY protocol"),
        (datagrams().keep_alive(Duration::from_secs(5)), "options of TCP"),
        (datagrams().limits(ListenerLimits::new().refusal("no")), "a refusal"),
        (Listener::datagrams("unix:/tmp/never.sock"), "a path"),
        (Listener::new("127.0.0.1:0").datagram_settings(settings.clone()), "Listener::datagrams"),
        (sized(0), "must be 1 to"),
        (sized(65_508), "must be 1 to"),
        (datagrams().datagram_settings(settings.clone().idle(Duration::ZERO)), "an idle time"),
    ] {
        let (told, _tells) = mpsc::channel();
        let error = Server::builder().listen(listener).shards(1).start(Echo(told)).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
    #[cfg(feature = "tls")]
    {
        let (told, _tells) = mpsc::channel();
        let error = Server::builder().listen(datagrams().tls(&tls())).start(Echo(told)).unwrap_err().to_string();
        assert!(error.contains("TLS"), "{error}");
    }
}

/// TLS with a certificate of its own.
#[cfg(feature = "tls")]
fn tls() -> Tls {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let name = format!("datagrams-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let [cert, private] = ["cert.pem", "key.pem"].map(|name| directory.join(name));
    std::fs::write(&cert, key.cert.pem()).unwrap();
    std::fs::write(&private, key.signing_key.serialize_pem()).unwrap();
    let tls = Tls::new(TlsConfig::new().certificate(&cert, &private)).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    tls
}

/// Tries to start TLS, and answers all the same.
#[cfg(feature = "tls")]
#[derive(Clone)]
struct StartsTls(Tls);

#[cfg(feature = "tls")]
impl Handler for StartsTls {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
        assert_eq!(session.start_tls(&self.0), Err(StartTlsError::NotPlain));
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

#[test]
#[cfg(feature = "tls")]
fn tls_is_not_started_over_datagrams() {
    on_each_backend(|builder| {
        let server = builder.listen(Listener::datagrams("127.0.0.1:0")).start(StartsTls(tls())).unwrap();
        let peer = peer(last_of(&server));
        super::handlers::ask(&peer, b"start");
        super::handlers::ask(&peer, b"goes on as it is");
        finish(server);
    });
}

/// Tries to pair each session with the first.
#[derive(Clone)]
struct Pairs {
    first: Option<SessionId>,
    told: mpsc::Sender<Result<(), PairError>>,
}

impl Handler for Pairs {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        match self.first.and_then(|first| session.sibling(first)) {
            None => self.first = Some(session.id()),
            Some(first) => {
                self.told.send(session.pair(&first)).unwrap();
                self.told.send(first.pair(session)).unwrap();
            }
        }
    }
    fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
        match packet {
            // There is no stream to end: it is closed, behind what is queued.
            b"shut down" => {
                session.send(packet).unwrap();
                session.shutdown();
            }
            _ => session.send(packet).unwrap(),
        }
        Flow::Continue
    }
}

#[test]
fn a_datagram_session_is_not_paired_and_a_shutdown_closes_it() {
    on_each_backend(|builder| {
        let (told, tells) = mpsc::channel();
        let pairs = Pairs { first: None, told };
        let server = builder.listen(Listener::datagrams("127.0.0.1:0")).start(pairs).unwrap();
        let peer = peer(last_of(&server));
        super::handlers::ask(&peer, b"hi");
        let stream = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
        for _ in 0..2 {
            assert_eq!(next(&tells), Err(PairError::Datagrams));
        }
        super::handlers::ask(&peer, b"shut down");
        super::harness::wait_until("it is closed", || server.handle().sessions() == 1);
        super::harness::ask(&stream, b"still paired with nobody", b"still paired with nobody");
        finish(server);
    });
}
