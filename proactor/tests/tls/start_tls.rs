//! TLS that starts in a running session (STARTTLS), both sides.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::codec::Lines;
use proactor::tls::{Tls, TlsClient, TlsConfig};
use proactor::{
    AsyncSession, Backend, CloseReason, Flow, Group, Handler, Network, NoMessage, Origin, Server, Session, SessionId,
    StartTlsError, Target, Tasks, Time, TlsFailure,
};
use rustls::StreamOwned;

use super::peers::{Authority, NAME, Peer};
use crate::harness::{address_of, backends, builder, connect, expect, finish, next, wait_until};

const SECOND: Duration = Duration::from_secs(1);
const AT: &str = "10.0.0.1:25";

#[derive(Debug, PartialEq)]
enum Event {
    Line(bool, String),
    Started(Result<(), StartTlsError>),
    Secured,
    Closed(CloseReason),
}

/// Echoes lines, and starts TLS when it is asked for.
#[derive(Clone)]
struct Mail {
    tls: Tls,
    room: Group,
    events: Sender<Event>,
}

impl Mail {
    fn tell(&self, event: Event) {
        self.events.send(event).unwrap();
    }
}

impl Handler for Mail {
    /// Whether it is secured.
    type State = bool;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> bool {
        session.send(b"220 ready").unwrap();
        assert!(session.tls().is_none());
        false
    }
    fn received(&mut self, session: &Session, is_secured: &mut bool, line: &[u8]) -> Flow {
        self.tell(Event::Line(*is_secured, String::from_utf8(line.to_vec()).unwrap()));
        match line {
            b"STARTTLS" => {
                session.send(b"220 go ahead").unwrap();
                let started = session.start_tls(&self.tls);
                assert!(session.tls().is_none() || *is_secured);
                self.tell(Event::Started(started));
            }
            // Queued before, and while the handshake is made.
            b"FLOOD" => {
                session.send(&[b'a'; 200_000]).unwrap();
                self.tell(Event::Started(session.start_tls(&self.tls)));
                session.send(&[b'b'; 40_000]).unwrap();
                session.join(&self.room).unwrap();
                self.room.broadcast(b"news").unwrap();
                session.send(b"last").unwrap();
            }
            b"JOIN" => session.join(&self.room).unwrap(),
            line => session.send(line).unwrap(),
        }
        Flow::Continue
    }
    fn secured(&mut self, session: &Session, is_secured: &mut bool) {
        assert!(session.tls().is_some());
        *is_secured = true;
        self.tell(Event::Secured);
    }
    fn closed(&mut self, _: SessionId, _: bool, reason: &CloseReason) {
        self.tell(Event::Closed(*reason));
    }
}

fn mail(tls: &Tls) -> (Mail, Receiver<Event>) {
    let (events, told) = mpsc::channel();
    (Mail { tls: tls.clone(), room: Group::new(), events }, told)
}

fn serve(backend: Backend, tls: &Tls) -> (Server, Receiver<Event>) {
    let (mail, told) = mail(tls);
    (builder(backend, 1).codec(Lines::new().max_line(1 << 20)).start(mail).unwrap(), told)
}

fn line(is_secured: bool, line: &str) -> Event {
    Event::Line(is_secured, line.into())
}

/// A client that has been told to go ahead.
fn asks(server: &Server, events: &Receiver<Event>) -> TcpStream {
    let mut stream = connect(address_of(server));
    expect(&stream, b"220 ready\n");
    stream.write_all(b"STARTTLS\n").unwrap();
    assert_eq!(next(events), line(false, "STARTTLS"));
    assert_eq!(next(events), Event::Started(Ok(())));
    expect(&stream, b"220 go ahead\n");
    stream
}

fn over(authority: &Authority, stream: TcpStream) -> Peer {
    Peer(StreamOwned::new(authority.peer().connection(NAME), stream))
}

#[test]
fn a_running_session_is_secured_and_goes_on() {
    let authority = Authority::new();
    for backend in backends() {
        let (server, events) = serve(backend, &authority.tls());
        let mut stream = connect(address_of(&server));
        expect(&stream, b"220 ready\n");
        stream.write_all(b"EHLO\n").unwrap();
        expect(&stream, b"EHLO\n");
        assert_eq!(next(&events), line(false, "EHLO"));
        drop(stream);
        assert_eq!(next(&events), Event::Closed(CloseReason::ByPeer));
        let mut peer = over(&authority, asks(&server, &events));
        peer.exchange(b"hello\n");
        assert_eq!((next(&events), next(&events)), (Event::Secured, line(true, "hello")));
        // It has TLS already.
        peer.send(b"STARTTLS\n");
        peer.expect(b"220 go ahead\n");
        assert_eq!(next(&events), line(true, "STARTTLS"));
        assert_eq!(next(&events), Event::Started(Err(StartTlsError::NotPlain)));
        peer.end();
        assert_eq!(peer.read_to_end(), b"");
        assert_eq!(next(&events), Event::Closed(CloseReason::ByPeer));
        assert_eq!(server.handle().stats().tls_failures().count(), 0);
        finish(server);
    }
}

#[test]
fn what_was_sent_before_is_plain_and_what_was_sent_after_is_not() {
    let authority = Authority::new();
    for backend in backends() {
        let (server, events) = serve(backend, &authority.tls());
        let mut stream = connect(address_of(&server));
        expect(&stream, b"220 ready\n");
        stream.write_all(b"FLOOD\n").unwrap();
        let mut plain = vec![0; 200_001];
        stream.read_exact(&mut plain).unwrap();
        assert!(plain[..200_000].iter().all(|byte| *byte == b'a') && plain[200_000] == b'\n');
        assert_eq!((next(&events), next(&events)), (line(false, "FLOOD"), Event::Started(Ok(()))));
        let mut peer = over(&authority, stream);
        let came = peer.expect_some(40_001 + 5 + 5);
        assert!(came[..40_000].iter().all(|byte| *byte == b'b'));
        assert_eq!(&came[40_000..], b"\nnews\nlast\n");
        peer.exchange(b"more\n");
        finish(server);
    }
}

#[test]
fn a_peer_that_sends_more_behind_its_request_is_refused() {
    let authority = Authority::new();
    let mut hello = Vec::new();
    authority.peer().connection(NAME).write_tls(&mut hello).unwrap();
    for backend in backends() {
        let (server, events) = serve(backend, &authority.tls());
        // Another command, a part of one, and what TLS would begin with.
        for (at, behind) in [&b"RCPT\n"[..], b"R", &hello, b"\n"].into_iter().enumerate() {
            let mut stream = connect(address_of(&server));
            stream.write_all(&[b"STARTTLS\n", behind].concat()).unwrap();
            assert_eq!(next(&events), line(false, "STARTTLS"));
            assert_eq!(next(&events), Event::Started(Ok(())));
            assert_eq!(next(&events), Event::Closed(CloseReason::TlsFailed));
            expect(&stream, b"220 ready\n220 go ahead\n");
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            drop(stream);
            wait_until("it is counted", || server.handle().stats().tls_failed(TlsFailure::Pipelined) == at as u64 + 1);
        }
        // In a piece of its own it is none of TLS.
        let mut stream = asks(&server, &events);
        stream.write_all(b"RCPT\n").unwrap();
        assert_eq!(next(&events), Event::Closed(CloseReason::TlsFailed));
        assert_eq!(server.handle().stats().tls_failed(TlsFailure::NotTls), 1);
        drop(stream);
        finish(server);
    }
}

#[test]
fn a_session_that_cannot_start_goes_on_as_it_is() {
    let authority = Authority::new();
    for backend in backends() {
        let tls = Tls::new(authority.server().handshakes(1)).unwrap();
        let (server, events) = serve(backend, &tls);
        let waits = asks(&server, &events);
        let mut stream = connect(address_of(&server));
        stream.write_all(b"STARTTLS\n").unwrap();
        expect(&stream, b"220 ready\n220 go ahead\n");
        assert_eq!(next(&events), line(false, "STARTTLS"));
        assert_eq!(next(&events), Event::Started(Err(StartTlsError::TooMany)));
        // A peer that leaves in its handshake has been a session.
        drop(waits);
        assert_eq!(next(&events), Event::Closed(CloseReason::TlsFailed));
        assert_eq!(server.handle().stats().tls_failed(TlsFailure::Ended), 1);
        stream.write_all(b"JOIN\n").unwrap();
        assert_eq!(next(&events), line(false, "JOIN"));
        stream.write_all(b"STARTTLS\n").unwrap();
        expect(&stream, b"220 go ahead\n");
        assert_eq!(next(&events), line(false, "STARTTLS"));
        assert_eq!(next(&events), Event::Started(Err(StartTlsError::InGroup)));
        stream.write_all(b"plain\n").unwrap();
        expect(&stream, b"plain\n");
        finish(server);
    }
}

/// Asks a mail server for TLS, and sends lines of growing length; ends in the way of its turn.
async fn client(session: AsyncSession, tls: TlsClient, token: u64, told: Told) -> Option<()> {
    let name = if token % 5 == 4 { "other.test" } else { NAME };
    assert_eq!(session.next().await?, "220 ready");
    session.send("STARTTLS").await.ok()?;
    assert_eq!(session.next().await?, "220 go ahead");
    let started = session.start_tls_to(&tls, name).await;
    told.add(format!("client {token} {started:?}"));
    assert_eq!(started.is_ok(), name == NAME);
    for round in 1..=5 {
        let line = "x".repeat(round * 997);
        session.send(&line).await.ok()?;
        assert_eq!(session.next().await?, line);
    }
    match token % 3 {
        0 => session.session().abort(),
        1 => session.session().shutdown(),
        _ => {}
    }
    session.closed().await;
    Some(())
}

async fn server(session: AsyncSession, tls: Tls, told: Told) -> Option<()> {
    session.send("220 ready").await.ok()?;
    assert_eq!(session.next().await?, "STARTTLS");
    session.send("220 go ahead").await.ok()?;
    let started = session.start_tls(&tls).await;
    told.add(format!("server {:?} {started:?}", session.id()));
    while let Some(line) = session.next().await {
        told.add(format!("line {:?} {}", session.id(), line.len()));
        session.send(&line).await.ok()?;
    }
    Some(())
}

#[derive(Clone)]
struct Told(Network, Arc<Mutex<Vec<(Time, String)>>>);

impl Told {
    fn add(&self, what: String) {
        self.1.lock().unwrap().push((self.0.now(), what));
    }
}

fn run(authority: &Authority, config: &TlsConfig, seed: u64) -> Vec<(Time, String)> {
    let network = Network::new(seed);
    let told = Told(network.clone(), Arc::default());
    let (tls, to, told_to) = (Tls::new(config.clone()).unwrap(), authority.client(), told.clone());
    let logic = Tasks::new(move |session: AsyncSession| {
        let (tls, to, told) = (tls.clone(), to.clone(), told_to.clone());
        async move {
            match session.session().origin() {
                Origin::Connected { token, .. } => drop(client(session, to, token, told).await),
                _ => drop(server(session, tls, told).await),
            }
        }
    });
    let sim = Server::builder().listen(AT).codec(Lines::new()).shards(1 + seed as usize % 2);
    let sim = sim.simulate(&network, logic).unwrap();
    for token in 0..10 {
        sim.handle().connect(AT.parse::<Target>().unwrap(), token).unwrap();
    }
    sim.advance(SECOND * 3);
    sim.handle().drain(SECOND);
    sim.advance(SECOND * 5);
    assert!(sim.has_ended());
    let stats = sim.handle().stats();
    assert_eq!((stats.connected, stats.closed(CloseReason::Panic)), (10, 0));
    assert_eq!(stats.tls_failed(TlsFailure::WrongName), 2);
    assert_eq!((sim.live().sockets, sim.live().buffers), (0, 0));
    drop(sim);
    let told = told.1.lock().unwrap();
    told.clone()
}

#[test]
fn tasks_start_it_on_both_sides_and_a_seed_gives_one_run() {
    let authority = Authority::new();
    // Certificates have random numbers, whose lengths differ.
    let config = authority.server();
    for seed in 0..20 {
        let told = run(&authority, &config, seed);
        assert_eq!(told, run(&authority, &config, seed), "seed {seed}");
        let count = |begin: &str| told.iter().filter(|(_, what)| what.starts_with(begin)).count();
        assert_eq!((count("client"), count("server"), count("line")), (10, 10, 40), "seed {seed}");
        let failed = told.iter().filter(|(_, what)| what.ends_with("Err(Failed)")).count();
        assert_eq!(failed, 4, "both sides are told that the handshake failed");
    }
}

#[test]
fn a_handshake_that_does_not_come_ends_at_its_time() {
    let authority = Authority::new();
    let tls = Tls::new(authority.server().handshake_timeout(SECOND * 3)).unwrap();
    let (mail, events) = mail(&tls);
    let sim = Server::builder().listen(AT).codec(Lines::new()).simulate(&Network::new(1), mail).unwrap();
    let silent = sim.client(AT, Lines::new());
    silent.expect("220 ready");
    sim.advance(SECOND * 30);
    silent.send("STARTTLS");
    silent.expect("220 go ahead");
    silent.expect_nothing(SECOND * 2);
    silent.expect_closed();
    // A drain ends one that has just begun.
    let begins = sim.client(AT, Lines::new());
    begins.send("STARTTLS");
    begins.expect("220 ready");
    begins.expect("220 go ahead");
    sim.handle().drain(SECOND * 10);
    sim.advance(SECOND * 10);
    assert!(sim.has_ended());
    let stats = sim.handle().stats();
    assert_eq!((stats.tls_failed(TlsFailure::TimedOut), stats.accepted), (1, 2));
    let told: Vec<Event> = events.try_iter().collect();
    assert_eq!(told[2], Event::Closed(CloseReason::TlsFailed));
    assert!(matches!(told[..], [_, _, _, _, _, Event::Closed(_)]), "{told:?}");
}
