//! Sessions over TLS: what they tell of it, and that all is as over plain TCP.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{self, Receiver, Sender};

use proactor::codec::{LengthPrefixed, Lines};
use proactor::tls::{ClientCertificates, Tls, TlsInfo, TlsVersion};
use proactor::{
    Builder, CloseReason, Flow, Group, Handler, Listener, NoMessage, SendError, Server, Session, SessionId,
    SlowConsumer, TlsFailure,
};
use rustls::version::{TLS12, TLS13};

use super::peers::{Authority, NAME};
use crate::harness::{
    PATIENCE, address_of, backends, builder, connect, echo, expect, finish, next, pattern, read_to_end, wait_until,
};

/// A server with one listener, which has TLS.
fn over(backend: proactor::Backend, tls: &Tls) -> Builder {
    Server::builder().listen(Listener::new("127.0.0.1:0").tls(tls)).shards(1).backend(Some(backend))
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Connected(Option<TlsInfo>),
    Ended,
    Closed(CloseReason),
}

/// Echoes, and tells the test what it is told.
#[derive(Clone)]
struct Echo(Sender<Event>);

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        self.0.send(Event::Connected(session.tls())).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        match packet {
            b"close" => return Flow::Close,
            b"big" => session.send(&pattern(7, 200_000)).unwrap(),
            b"big and close" => {
                session.send(&pattern(7, 200_000)).unwrap();
                session.close();
            }
            b"shutdown" => {
                session.send(b"that was all").unwrap();
                session.shutdown();
            }
            // After a shutdown, nothing more is said.
            packet => assert!(matches!(session.send(packet), Ok(()) | Err(SendError::Closed))),
        }
        Flow::Continue
    }
    fn ended(&mut self, session: &Session, (): &mut ()) -> Flow {
        let _ = self.0.send(Event::Ended);
        let _ = session.send(b"good bye");
        session.shutdown();
        Flow::Continue
    }
    fn closed(&mut self, _: SessionId, (): (), reason: &CloseReason) {
        let _ = self.0.send(Event::Closed(*reason));
    }
}

fn echoing(tls: &Tls, test: impl Fn(&Server, &Receiver<Event>)) {
    for backend in backends() {
        let (sender, events) = mpsc::channel();
        let server = over(backend, tls).start(Echo(sender)).unwrap();
        test(&server, &events);
        finish(server);
    }
}

fn connected(events: &Receiver<Event>) -> TlsInfo {
    loop {
        match next(events) {
            Event::Connected(Some(info)) => return info,
            // A peer of before, which left without a word.
            Event::Closed(CloseReason::Truncated) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn both_versions_echo_and_the_session_tells_what_was_agreed_on() {
    let authority = Authority::new();
    let tls = Tls::new(authority.server().protocols(["two", "one"])).unwrap();
    echoing(&tls, |server, events| {
        for (version, is) in [(&TLS12, TlsVersion::Tls12), (&TLS13, TlsVersion::Tls13)] {
            let mut peer = authority.peer().only(version).protocols(&["one", "two"]).connect(address_of(server));
            for len in [1, 100, 16_384, 16_385, 200_000] {
                peer.exchange(&pattern(len, len));
            }
            let info = connected(events);
            assert_eq!((info.version(), info.protocol()), (is, Some(&b"two"[..])));
            assert_eq!((info.server_name(), info.certificates().len()), (Some(NAME), 0));
            peer.end();
            assert_eq!(peer.read_to_end(), b"good bye");
            assert_eq!(next(events), Event::Ended);
            assert_eq!(next(events), Event::Closed(CloseReason::ByPeer));
        }
    });
}

#[test]
fn async_sessions_echo_too() {
    let authority = Authority::new();
    let tls = authority.tls();
    for backend in backends() {
        let server = over(backend, &tls).serve(echo).unwrap();
        let mut peer = authority.peer().connect(address_of(&server));
        for len in [1, 16_384, 50_000] {
            peer.exchange(&pattern(len, len));
        }
        peer.end();
        assert_eq!(peer.read_to_end(), b"");
        finish(server);
    }
}

#[test]
fn a_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let authority = Authority::new();
    let mut config = authority.server();
    for name in ["other.test", "*.wild.test"] {
        let pair = authority.sign(name);
        config = config.certificate_pem(pair.certificate, pair.key);
    }
    let tls = Tls::new(config).unwrap();
    echoing(&tls, |server, events| {
        for name in [NAME, "other.test", "any.wild.test"] {
            let mut peer = authority.peer().connect_as(address_of(server), name);
            peer.exchange(b"hello");
            assert_eq!(connected(events).server_name(), Some(name));
        }
        let mut peer = authority.peer().connect_as(address_of(server), "nobody.test");
        assert!(peer.failure().1.contains("nobody.test"), "it is shown the first, which is for another name");
        wait_until("it is counted", || server.handle().stats().tls_failed(TlsFailure::RefusedByPeer) == 1);
    });
}

#[test]
fn clients_must_or_may_show_a_certificate_and_the_session_tells_it() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let config = authority.server().client_ca_pem(authority.pem.as_str());
    let expired = authority.sign_with("late", |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    for needed in [ClientCertificates::Required, ClientCertificates::Optional] {
        let tls = Tls::new(config.clone().client_certificates(needed)).unwrap();
        echoing(&tls, |server, events| {
            for version in [&TLS12, &TLS13] {
                let plain = authority.peer().only(version);
                let failed = |failure| server.handle().stats().tls_failed(failure);
                let before = [TlsFailure::NoCertificate, TlsFailure::UnknownIssuer, TlsFailure::Expired].map(failed);
                let mut known = plain.clone().shows(authority.sign("client")).connect(address_of(server));
                known.exchange(b"hello");
                assert_eq!(connected(events).certificates().len(), 1);
                let mut none = plain.connect(address_of(server));
                if needed == ClientCertificates::Optional {
                    none.exchange(b"hello");
                    assert_eq!(connected(events).certificates().len(), 0);
                } else {
                    none.failure();
                    wait_until("none is counted", || failed(TlsFailure::NoCertificate) == before[0] + 1);
                }
                plain.clone().shows(stranger.sign("client")).connect(address_of(server)).failure();
                wait_until("a stranger is counted", || failed(TlsFailure::UnknownIssuer) == before[1] + 1);
                plain.shows(expired.clone()).connect(address_of(server)).failure();
                wait_until("an expired one is counted", || failed(TlsFailure::Expired) == before[2] + 1);
            }
        });
    }
}

#[test]
fn what_is_queued_at_a_close_arrives_and_behind_it_the_end() {
    let authority = Authority::new();
    echoing(&authority.tls(), |server, events| {
        for version in [&TLS12, &TLS13] {
            for order in ["close", "big and close"] {
                let mut peer = authority.peer().only(version).connect(address_of(server));
                peer.send(order.as_bytes());
                let came = peer.read_to_end();
                assert!(came == pattern(7, if order == "close" { 0 } else { 200_000 }));
                connected(events);
                assert_eq!(next(events), Event::Closed(CloseReason::ByHandler));
            }
        }
    });
}

#[test]
fn a_drain_delivers_what_is_queued_and_behind_it_the_end() {
    let authority = Authority::new();
    for backend in backends() {
        let (sender, events) = mpsc::channel();
        let server = over(backend, &authority.tls()).start(Echo(sender)).unwrap();
        let mut peer = authority.peer().connect(address_of(&server));
        let mut idle = authority.peer().connect(address_of(&server));
        idle.exchange(b"hello");
        peer.send(b"big");
        connected(&events);
        connected(&events);
        // A handshake that is not finished holds the drain up for two seconds only.
        let mut half = connect(address_of(&server));
        half.write_all(&[22, 3, 1]).unwrap();
        wait_until("it is accepted", || server.handle().stats().accepted == 3);
        server.handle().drain(PATIENCE);
        assert!(peer.read_to_end() == pattern(7, 200_000));
        assert_eq!(idle.read_to_end(), b"");
        assert_eq!(read_to_end(&half), b"");
        // Without a linger.
        drop((peer, idle, half));
        let handle = server.handle();
        server.wait().unwrap();
        assert_eq!((handle.stats().drain_cut, handle.stats().flushed), (0, 3));
    }
}

#[test]
fn each_stream_ends_by_itself() {
    let authority = Authority::new();
    echoing(&authority.tls(), |server, events| {
        for version in [&TLS12, &TLS13] {
            let mut peer = authority.peer().only(version).connect(address_of(server));
            peer.exchange(b"hello");
            connected(events);
            peer.send(b"shutdown");
            assert_eq!(peer.read_to_end(), b"that was all");
            // Ours goes on.
            peer.send(b"more");
            peer.end();
            assert_eq!(next(events), Event::Ended);
            assert_eq!(next(events), Event::Closed(CloseReason::ByPeer));
        }
    });
}

#[test]
fn a_stream_that_is_cut_is_no_end() {
    let authority = Authority::new();
    for backend in backends() {
        let (sender, events) = mpsc::channel();
        // The last line has no end: over a stream that ends in order it would be a packet.
        let server = over(backend, &authority.tls()).codec(Lines::new()).start(Echo(sender)).unwrap();
        let mut peer = authority.peer().connect(address_of(&server));
        peer.send(b"whole\nhalf");
        peer.expect(b"whole\n");
        connected(&events);
        peer.0.sock.shutdown(Shutdown::Write).unwrap();
        assert_eq!(next(&events), Event::Closed(CloseReason::Truncated));
        wait_until("it is counted", || server.handle().stats().closed(CloseReason::Truncated) == 1);
        finish(server);
    }
}

#[test]
fn what_is_no_record_closes_the_session_with_an_alert_and_nobody_else() {
    let authority = Authority::new();
    echoing(&authority.tls(), |server, events| {
        let mut other = authority.peer().connect(address_of(server));
        other.exchange(b"hello");
        connected(events);
        let mut peer = authority.peer().connect(address_of(server));
        peer.exchange(b"hello");
        connected(events);
        peer.0.sock.write_all(&[23, 3, 3, 0, 40]).unwrap();
        peer.0.sock.write_all(&[0; 40]).unwrap();
        assert_eq!(next(events), Event::Closed(CloseReason::TlsFailed));
        let (kind, text) = peer.failure();
        assert!(kind == ErrorKind::InvalidData && text.contains("BadRecordMac"), "{text}");
        assert_eq!(server.handle().stats().tls_failed(TlsFailure::Protocol), 1);
        other.exchange(b"still here");
    });
}

#[test]
fn a_peer_that_speaks_no_tls_is_told_by_an_alert_and_counted() {
    let authority = Authority::new();
    echoing(&authority.tls(), |server, events| {
        for (round, garbage) in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 100], &[255; 100], b"\n\n\n\n\n\n"].iter().enumerate()
        {
            let mut stream = connect(address_of(server));
            stream.write_all(garbage).unwrap();
            let mut alert = [0; 7];
            stream.read_exact(&mut alert).unwrap();
            assert_eq!((alert[0], alert[5]), (21, 2), "a fatal alert");
            let failed = || server.handle().stats().tls_failed(TlsFailure::NotTls);
            wait_until("it is counted", || failed() == round as u64 + 1);
        }
        assert!(events.try_recv().is_err(), "the logic has not heard of them");
    });
}

#[test]
fn versions_and_protocols_that_are_not_shared_are_counted() {
    let authority = Authority::new();
    let config = authority.server().versions(TlsVersion::Tls13, TlsVersion::Tls13).protocols(["one"]);
    echoing(&Tls::new(config).unwrap(), |server, _| {
        let address = address_of(server);
        assert!(authority.peer().only(&TLS12).connect(address).failure().1.contains("ProtocolVersion"));
        let failed = |failure| server.handle().stats().tls_failed(failure);
        wait_until("the version", || failed(TlsFailure::NoSharedVersion) == 1);
        let mut peer = authority.peer().protocols(&["two"]).connect(address);
        assert!(peer.failure().1.contains("NoApplicationProtocol"));
        wait_until("the protocol", || failed(TlsFailure::NoSharedProtocol) == 1);
    });
}

/// Joins the room, and passes on what its members say.
#[derive(Clone)]
struct Room(Group);

impl Handler for Room {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.0).unwrap();
        session.send(b"welcome").unwrap();
    }
    fn received(&mut self, _: &Session, (): &mut (), packet: &[u8]) -> Flow {
        self.0.broadcast(packet).unwrap();
        Flow::Continue
    }
}

#[test]
fn a_group_has_plain_members_and_members_over_tls() {
    let authority = Authority::new();
    for backend in backends() {
        let server = builder(backend, 1)
            .codec(Lines::new())
            .listen(Listener::new("127.0.0.1:0").tls(&authority.tls()))
            .listen(Listener::new("127.0.0.1:0").tls(&authority.tls()).codec(LengthPrefixed::u16()))
            .start(Room(Group::new()))
            .unwrap();
        let [plain, lines, framed] = [0, 1, 2].map(|at| server.local_addrs()[at].ip().unwrap());
        let plain = connect(plain);
        expect(&plain, b"welcome\n");
        let mut lines = authority.peer().connect(lines);
        lines.expect(b"welcome\n");
        let mut framed = authority.peer().connect(framed);
        framed.expect(b"\0\x07welcome");
        (&plain).write_all(b"one\n").unwrap();
        expect(&plain, b"one\n");
        lines.expect(b"one\n");
        framed.expect(b"\0\x03one");
        lines.send(b"two\nthree\n");
        expect(&plain, b"two\nthree\n");
        lines.expect(b"two\nthree\n");
        framed.expect(b"\0\x03two\0\x05three");
        finish(server);
    }
}

/// Sends numbered packets to a peer that does not read.
#[derive(Clone)]
struct Floods(Sender<(u64, bool)>);

impl Handler for Floods {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), _: &[u8]) -> Flow {
        let mut is_full = false;
        for number in 0..4_000_u32 {
            let mut packet = [0; 4096];
            packet[..4].copy_from_slice(&number.to_be_bytes());
            is_full |= session.send(&packet).is_err();
        }
        self.0.send((session.dropped(), is_full)).unwrap();
        Flow::Continue
    }
}

#[test]
fn the_policies_for_slow_peers_are_the_same() {
    let authority = Authority::new();
    let policies = [
        (SlowConsumer::DropOldest, None),
        (SlowConsumer::Close, Some(CloseReason::TooSlow)),
        (SlowConsumer::PauseReading, None),
    ];
    for backend in backends() {
        for (policy, closed) in policies {
            let (sender, told) = mpsc::channel();
            let codec = LengthPrefixed::u16();
            let server = over(backend, &authority.tls()).slow_consumer(policy).codec(codec);
            let server = server.start(Floods(sender)).unwrap();
            let mut peer = authority.peer().connect(address_of(&server));
            peer.send(b"\0\x02go");
            let (dropped, is_full) = next(&told);
            assert_eq!(dropped > 0, policy == SlowConsumer::DropOldest);
            assert_eq!(is_full, policy != SlowConsumer::DropOldest);
            match closed {
                Some(reason) => wait_until("it is closed", || server.handle().stats().closed(reason) == 1),
                None => {
                    // Whole packets come, in order; if the oldest were dropped, to the last.
                    let mut last = None;
                    let mut packet = vec![0; 2 + 4096];
                    let most = if policy == SlowConsumer::DropOldest { 3_999 } else { 0 };
                    while last.is_none_or(|last| last < most) {
                        peer.0.read_exact(&mut packet).unwrap();
                        let number = u32::from_be_bytes(packet[2..6].try_into().unwrap());
                        assert!(last.is_none_or(|last| last < number) && packet[..2] == [16, 0]);
                        last = Some(number);
                    }
                }
            }
            finish(server);
        }
    }
}

#[test]
fn a_reload_is_for_new_sessions_and_a_bad_file_changes_nothing() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = tempfile_folder("reload");
    let [certificate, key] = ["server.pem", "server.key"].map(|name| folder.join(name));
    let write = |authority: &Authority| {
        let pair = authority.sign(NAME);
        std::fs::write(&certificate, pair.certificate).unwrap();
        std::fs::write(&key, pair.key).unwrap();
    };
    write(&old);
    let tls = Tls::new(proactor::tls::TlsConfig::new().certificate(&certificate, &key)).unwrap();
    echoing(&tls, |server, _| {
        write(&old);
        tls.reload().unwrap();
        let mut before = old.peer().connect(address_of(server));
        before.exchange(b"before");
        std::fs::write(&certificate, "nothing of a certificate").unwrap();
        let error = tls.reload().unwrap_err();
        assert!(
            error.file() == Some(&*certificate) && error.to_string().contains("no certificate is in it"),
            "{error}"
        );
        old.peer().connect(address_of(server)).exchange(b"the old one is in use");
        std::fs::write(&certificate, new.sign(NAME).certificate).unwrap();
        let error = tls.reload().unwrap_err();
        assert!(error.to_string().contains("the key is not that of the certificate"), "{error}");
        write(&new);
        tls.reload().unwrap();
        new.peer().connect(address_of(server)).exchange(b"the new one is in use");
        // The authorities have one name, and other keys.
        assert!(old.peer().connect(address_of(server)).failure().1.contains("BadSignature"));
        before.exchange(b"and lives on");
    });
    std::fs::remove_dir_all(folder).unwrap();
}

fn tempfile_folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("proactor-tls-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
