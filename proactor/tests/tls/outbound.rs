//! Connections over TLS that the server makes: how they begin, how they fail, and pairs of them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use proactor::tls::{Tls, TlsClient, TlsInfo};
use proactor::{
    AsyncSession, Builder, CloseReason, ConnectError, ConnectFailure, Flow, Handler, Listener, NoMessage, Origin,
    Server, Session, SessionId, Target, Timeouts, TlsFailure,
};

use super::peers::{Authority, NAME};
use crate::harness::{
    address_of, backends, builder, connect, echo, expect, finish, next, patient, pattern, read_to_end, wait_until,
};

/// What the logic was told.
#[derive(Debug)]
enum Event {
    Connected(TlsInfo),
    Failed(ConnectFailure, Option<TlsFailure>, String),
    Closed(bool, CloseReason),
}

/// Connects each client to one target, and makes a pair of both.
#[derive(Clone)]
struct Proxy {
    target: Target,
    events: Sender<Event>,
}

impl Handler for Proxy {
    /// Whether it was accepted.
    type State = bool;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> bool {
        if let Origin::Connected { opener, .. } = session.origin() {
            if let Some(info) = session.tls() {
                self.events.send(Event::Connected(info)).unwrap();
            }
            let client = session.sibling(opener.unwrap()).unwrap();
            client.pair(session).unwrap();
            client.resume();
            return false;
        }
        session.pause();
        session.connect(self.target.clone(), 7).unwrap();
        true
    }
    fn received(&mut self, _: &Session, _: &mut bool, _: &[u8]) -> Flow {
        panic!("bytes of a pair");
    }
    fn connect_failed(&mut self, client: Option<&Session>, token: u64, error: &ConnectError) {
        assert_eq!(token, 7);
        self.events.send(Event::Failed(error.failure(), error.tls_failure(), error.to_string())).unwrap();
        if let Some(client) = client {
            client.abort();
        }
    }
    fn closed(&mut self, _: SessionId, is_client: bool, reason: &CloseReason) {
        let _ = self.events.send(Event::Closed(is_client, *reason));
    }
}

fn proxy(builder: Builder, target: Target) -> (Server, Receiver<Event>) {
    let (events, told) = mpsc::channel();
    (builder.start(Proxy { target, events }).unwrap(), told)
}

fn target(server: &Server) -> Target {
    Target::from(address_of(server))
}

fn echo_over(backend: proactor::Backend, tls: &Tls) -> Server {
    let listener = Listener::new("127.0.0.1:0").tls(tls);
    Server::builder().listen(listener).shards(1).backend(Some(backend)).serve(echo).unwrap()
}

#[test]
fn a_proxy_from_tls_to_tls_passes_on_both_ways_and_both_ends() {
    let authority = Authority::new();
    let ours = authority.sign("proxy");
    for backend in backends() {
        let upstream_tls =
            Tls::new(authority.server().client_ca_pem(authority.pem.as_str()).protocols(["echo"])).unwrap();
        let upstream = echo_over(backend, &upstream_tls);
        let client = authority.client_config().certificate_pem(ours.certificate.as_str(), ours.key.as_str());
        let client = TlsClient::new(client.protocols(["echo"])).unwrap();
        let listener = Listener::new("127.0.0.1:0").tls(&authority.tls());
        let front = Server::builder().listen(listener).shards(1).backend(Some(backend));
        let (front, events) = proxy(front, target(&upstream).tls_as(&client, NAME));
        let mut peer = authority.peer().connect(address_of(&front));
        for len in [1, 16_384, 300_000] {
            let bytes = pattern(len, len);
            for piece in bytes.chunks(50_000) {
                peer.exchange(piece);
            }
        }
        match next(&events) {
            Event::Connected(info) => {
                assert_eq!((info.server_name(), info.protocol()), (Some(NAME), Some(&b"echo"[..])));
                assert_eq!(info.certificates().len(), 1);
            }
            other => panic!("{other:?}"),
        }
        peer.send(b"the last");
        peer.end();
        assert_eq!(peer.read_to_end(), b"the last");
        for _ in 0..2 {
            assert!(matches!(next(&events), Event::Closed(_, CloseReason::ByPeer)));
        }
        wait_until("its place is given back", || front.handle().stats().outbound == 0);
        let stats = front.handle().stats();
        assert_eq!((stats.connected, stats.connects_failed), (1, 0));
        finish(front);
        finish(upstream);
    }
}

#[test]
fn a_proxy_ends_tls_before_a_plain_upstream_and_a_cut_stream_is_a_reset_there() {
    let authority = Authority::new();
    for backend in backends() {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = Listener::new("127.0.0.1:0").tls(&authority.tls());
        let front = Server::builder().listen(listener).shards(1).backend(Some(backend));
        let (front, events) = proxy(front, Target::from(upstream.local_addr().unwrap()));
        let mut peer = authority.peer().connect(address_of(&front));
        peer.send(b"hello");
        let (mut plain, _) = upstream.accept().unwrap();
        expect(&plain, b"hello");
        plain.write_all(b"answer").unwrap();
        peer.expect(b"answer");
        peer.0.sock.shutdown(Shutdown::Write).unwrap();
        let mut reasons: Vec<_> = (0..2)
            .map(|_| match next(&events) {
                Event::Closed(is_client, reason) => (is_client, reason),
                other => panic!("{other:?}"),
            })
            .collect();
        reasons.sort_unstable();
        assert_eq!(reasons, [(false, CloseReason::ByPartner), (true, CloseReason::Truncated)]);
        assert!(plain.read(&mut [0; 10]).is_err(), "it is no end in order");
        finish(front);
    }
}

/// Has a client of a proxy wait for a connection that fails.
#[track_caller]
fn fails(backend: proactor::Backend, target: Target, failure: Option<TlsFailure>) -> String {
    let (front, events) = proxy(builder(backend, 1), target);
    let stream = connect(address_of(&front));
    let text = match next(&events) {
        Event::Failed(ConnectFailure::Tls, why, text) => {
            assert_eq!(why, failure, "{text}");
            text
        }
        other => panic!("{other:?}"),
    };
    assert!((&stream).read(&mut [0; 10]).is_err());
    assert!(matches!(next(&events), Event::Closed(true, CloseReason::ByHandler)));
    wait_until("both places are given back", || {
        let stats = front.handle().stats();
        stats.outbound == 0 && stats.sessions == 0
    });
    let stats = front.handle().stats();
    assert_eq!((stats.connected, stats.connects_failed), (0, 1));
    assert_eq!(stats.closed_in_all(), 1, "the connection was never a session");
    finish(front);
    text
}

#[test]
fn each_way_to_fail_has_its_reason_and_the_opener_is_told() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let client = authority.client();
    for backend in backends() {
        let shows = |pair: super::peers::Pair| {
            let tls = proactor::tls::TlsConfig::new().certificate_pem(pair.certificate, pair.key);
            echo_over(backend, &Tls::new(tls).unwrap())
        };
        let good = shows(authority.sign(NAME));
        let wrong = fails(backend, target(&good).tls_as(&client, "other.test"), Some(TlsFailure::WrongName));
        assert!(wrong.contains("other.test") && wrong.contains(NAME), "{wrong}");
        // The address is the name, and the certificate has none.
        fails(backend, target(&good).tls(&client), Some(TlsFailure::WrongName));
        fails(backend, target(&good).tls_as(&stranger.client(), NAME), Some(TlsFailure::UnknownIssuer));
        fails(backend, target(&good).tls_as(&client, "no name"), None);
        let late = shows(authority.sign_with(NAME, |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1)));
        fails(backend, target(&late).tls_as(&client, NAME), Some(TlsFailure::Expired));
        let early = shows(authority.sign_with(NAME, |params| {
            params.not_before = rcgen::date_time_ymd(3000, 1, 1);
            params.not_after = rcgen::date_time_ymd(3001, 1, 1);
        }));
        fails(backend, target(&early).tls_as(&client, NAME), Some(TlsFailure::NotValidYet));
        let plain = builder(backend, 1).serve(echo).unwrap();
        // It echoes our hello.
        fails(backend, target(&plain).tls_as(&client, NAME), Some(TlsFailure::Protocol));
        let text = fails(backend, target(&plain).tls(&client), Some(TlsFailure::Protocol));
        assert!(text.starts_with("could not connect to 127.0.0.1:") && text.contains("TLS failed"), "{text}");
        for server in [good, late, early, plain] {
            finish(server);
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let leaving = Target::from(listener.local_addr().unwrap()).tls_as(&client, NAME);
        let leaves = std::thread::spawn(move || drop(listener.accept().unwrap()));
        fails(backend, leaving, Some(TlsFailure::Ended));
        leaves.join().unwrap();
    }
}

#[test]
fn a_handshake_ends_with_the_session_that_it_is_made_for_and_with_the_server() {
    let authority = Authority::new();
    for backend in backends() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = Target::from(silent.local_addr().unwrap()).tls_as(&authority.client(), NAME);
        let short = Timeouts::new().lifetime(Duration::from_millis(500));
        for (timeouts, reason, failure) in [
            (short, CloseReason::Lifetime, ConnectFailure::Cancelled),
            (Timeouts::new(), CloseReason::ServerStopping, ConnectFailure::Ending),
        ] {
            let (front, events) = proxy(builder(backend, 1).timeouts(timeouts), to.clone());
            let _client = connect(address_of(&front));
            let mut accepted = patient(silent.accept().unwrap().0);
            accepted.read_exact(&mut [0; 5]).unwrap();
            if reason == CloseReason::ServerStopping {
                front.handle().stop();
            }
            let (mut closed, mut failed) = (None, None);
            while closed.is_none() || failed.is_none() {
                match next(&events) {
                    Event::Closed(true, reason) => closed = Some(reason),
                    Event::Failed(failure, None, _) => failed = Some(failure),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(closed, Some(reason));
            // At the end of the server, the one that is closed first cancels the other.
            let is_cancelled = failed == Some(ConnectFailure::Cancelled);
            assert!(failed == Some(failure) || reason == CloseReason::ServerStopping && is_cancelled, "{failed:?}");
            // The rest of our hello, and the end.
            let _ = accepted.read_to_end(&mut Vec::new());
            finish(front);
        }
    }
}

/// Asks a question over TLS for each client, and passes on the answer.
async fn ask(session: AsyncSession, good: Target, bad: Target) {
    if let Origin::Connected { opener, .. } = session.session().origin() {
        session.send("question").await.unwrap();
        let answer = session.next().await.unwrap();
        let client = session.session().sibling(opener.unwrap()).unwrap();
        client.send(&answer).unwrap();
        return client.close();
    }
    let error = session.connect(bad, 0).await.expect_err("it is for another name");
    assert_eq!(error.tls_failure(), Some(TlsFailure::WrongName));
    let other = session.connect(good, 0).await.unwrap();
    assert_eq!(other.tls().unwrap().server_name(), Some(NAME));
    while session.next().await.is_some() {}
}

#[test]
fn a_task_awaits_the_handshake() {
    let authority = Authority::new();
    for backend in backends() {
        let upstream = echo_over(backend, &authority.tls());
        let good = target(&upstream).tls_as(&authority.client(), NAME);
        let bad = target(&upstream).tls_as(&authority.client(), "other.test");
        let front = builder(backend, 1).serve(move |session| ask(session, good.clone(), bad.clone())).unwrap();
        assert_eq!(read_to_end(&connect(address_of(&front))), b"question");
        finish(front);
        finish(upstream);
    }
}
