//! Two transports that speak to each other, without sockets.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};

use super::{Tls, TlsClient, TlsClientConfig, TlsConfig, TlsVersion};
use crate::transport::Transport;
use crate::transport::failure::{Failure, TlsFailure};
use crate::transport::opening::Opening;
use crate::transport::table::Transports;

const NAME: &str = "server.test";

struct Ends {
    tls: Tls,
    client: TlsClient,
}

fn ends(version: TlsVersion) -> Ends {
    let key = || KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = key();
    let roots = params.self_signed(&authority).unwrap().pem();
    let (own, issuer) = (key(), Issuer::new(params, authority));
    let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap().pem();
    let tls = Tls::new(TlsConfig::new().certificate_pem(certificate, own.serialize_pem())).unwrap();
    let client = TlsClientConfig::new().roots_pem(roots).versions(version, version);
    Ends { tls, client: TlsClient::new(client).unwrap() }
}

impl Ends {
    fn server(&self) -> Side {
        Side::new(self.tls.accept(self.tls.admit().unwrap()).unwrap())
    }

    fn client(&self) -> Side {
        let (layer, timeout) = self.client.connect(NAME).unwrap();
        Side::new(Transport::new(layer, Opening { timeout, _place: None, outbound: None, failure: None }))
    }
}

/// One end, and what it has received.
struct Side {
    transport: Transport,
    plain: Vec<u8>,
}

impl Side {
    fn new(transport: Transport) -> Side {
        Side { transport, plain: Vec::new() }
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        // As the driver's buffer: received bytes and nothing behind them.
        self.transport.receive(&mut bytes.to_vec(), &mut self.plain, Vec::new)
    }

    fn output(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        self.transport.take_output(&mut wire);
        wire
    }

    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        self.transport.take_opened();
        let mut wire = self.output();
        self.transport.seal(plain, &mut wire).unwrap();
        wire
    }

    fn end(&mut self) -> Vec<u8> {
        let mut wire = self.output();
        self.transport.end(&mut wire);
        wire
    }
}

/// Passes on what each side has to say until neither has more. `cut` says after how many of a
/// side's bytes in all the next piece begins.
fn shake(client: &mut Side, server: &mut Side, cut: impl Fn(bool, usize) -> bool) -> [usize; 2] {
    let mut sent = [0, 0];
    loop {
        let outputs = [client.output(), server.output()];
        if outputs.iter().all(Vec::is_empty) {
            return sent;
        }
        for (at, wire) in outputs.iter().enumerate() {
            let to = if at == 0 { &mut *server } else { &mut *client };
            let mut piece = Vec::new();
            for byte in wire {
                if cut(at == 0, sent[at]) && !piece.is_empty() {
                    to.receive(&std::mem::take(&mut piece)).unwrap();
                }
                piece.push(*byte);
                sent[at] += 1;
            }
            to.receive(&piece).unwrap();
        }
    }
}

fn exchange(client: &mut Side, server: &mut Side) {
    for (from, to, plain) in [(0, 1, &b"question"[..]), (1, 0, b"answer")] {
        let sides = [&mut *client, &mut *server];
        let wire = sides[from].seal(plain);
        let sides = [&mut *client, &mut *server];
        sides[to].receive(&wire).unwrap();
        assert_eq!(sides[to].plain, plain);
        sides[to].plain.clear();
        assert!(!sides[to].transport.is_partial());
    }
}

#[test]
fn a_handshake_is_the_same_wherever_it_is_split() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let ends = ends(version);
        let (mut client, mut server) = (ends.client(), ends.server());
        let sent = shake(&mut client, &mut server, |_, _| true);
        assert!(client.transport.layer().is_open() && server.transport.layer().is_open());
        exchange(&mut client, &mut server);
        for (of_client, total) in [(true, sent[0]), (false, sent[1])] {
            for at in 1..total {
                let (mut client, mut server) = (ends.client(), ends.server());
                shake(&mut client, &mut server, |is_client, sent| is_client == of_client && sent == at);
                assert!(client.transport.layer().is_open() && server.transport.layer().is_open(), "{at}");
                exchange(&mut client, &mut server);
            }
        }
    }
}

#[test]
fn records_are_found_wherever_they_are_split_and_nothing_is_kept_between_them() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let ends = ends(version);
        let (mut client, mut server) = (ends.client(), ends.server());
        shake(&mut client, &mut server, |_, _| false);
        let plain: Vec<u8> = (0..40_000_u32).map(|at| at as u8).collect();
        for at in [0, 1, 4, 5, 6, 100, 16_000, 16_384, 16_400, 16_411, 16_412, 20_000, 39_999, 40_050] {
            let wire = client.seal(&plain);
            let (first, second) = wire.split_at(at.min(wire.len()));
            for piece in [first, second] {
                server.receive(piece).unwrap();
            }
            assert!(server.plain == plain, "{at}");
            server.plain.clear();
            assert!(
                !server.transport.is_partial()
                    && server.transport.take_empty_input().is_none_or(|kept| kept.is_empty())
            );
        }
        // In pieces as a driver's buffers have them.
        let wire = client.seal(&plain.repeat(5));
        wire.chunks(1000).for_each(|piece| server.receive(piece).unwrap());
        assert!(server.plain == plain.repeat(5));
    }
}

#[test]
fn an_end_is_told_once_and_what_comes_behind_it_is_ignored() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let ends = ends(version);
        let (mut client, mut server) = (ends.client(), ends.server());
        shake(&mut client, &mut server, |_, _| false);
        let mut wire = client.seal(b"the last");
        wire.extend(client.end());
        assert_eq!(client.end(), b"", "once");
        wire.extend_from_slice(b"garbage");
        server.receive(&wire).unwrap();
        server.receive(b"more of it").unwrap();
        assert!(server.plain == b"the last" && server.transport.has_ended() && !server.transport.is_partial());
        // The other way goes on.
        let wire = server.seal(b"answer");
        client.receive(&wire).unwrap();
        client.receive(&server.end()).unwrap();
        assert!(client.plain == b"answer" && client.transport.has_ended());
    }
}

#[test]
fn every_first_byte_and_every_changed_byte_of_a_hello_fails_or_waits() {
    let ends = ends(TlsVersion::Tls13);
    let hello = ends.client().output();
    for first in 0..=255_u8 {
        let mut server = ends.server();
        let mut bytes = hello.clone();
        bytes[0] = first;
        let result = server.receive(&bytes);
        let is_record = (20..=23).contains(&first);
        match result {
            Ok(()) => assert!(first == 22 || !server.output().is_empty() || is_record),
            Err(failure) if is_record => assert_ne!(failure.kind, TlsFailure::NotTls),
            Err(failure) => {
                assert_eq!(failure.kind, TlsFailure::NotTls, "{first}");
                assert_eq!(server.output()[0], 21, "an alert");
            }
        }
        assert!(!server.transport.layer().is_open());
    }
    for at in 1..hello.len() {
        let mut server = ends.server();
        let mut bytes = hello.clone();
        bytes[at] ^= 0xff;
        let _ = server.receive(&bytes);
        assert!(server.transport.take_opened().is_none());
        assert!(server.plain.is_empty());
    }
}

/// rustls keeps the place of a message that is split over records, and panics if its beginning is
/// gone when it is asked for anything.
#[test]
fn what_is_sent_while_half_a_handshake_message_has_come_leaves_the_rest_to_come() {
    let ends = ends(TlsVersion::Tls13);
    let (mut client, mut server) = (ends.client(), ends.server());
    let hello = client.output();
    // The hello comes in two records. After the first, a fatal error is not one either.
    let (half, rest) = hello[5..].split_at(30);
    let record = |part: &[u8]| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
    server.receive(&record(half)).unwrap();
    assert!(server.transport.is_partial() && server.end().is_empty());
    server.receive(&record(rest)).unwrap();
    shake(&mut client, &mut server, |_, _| false);
    exchange(&mut client, &mut server);
    let mut server = ends.server();
    server.receive(&record(half)).unwrap();
    let failure = server.receive(b"\x17\x03\x03\0\x01x").unwrap_err();
    assert_eq!(failure.kind, TlsFailure::Protocol);
}

#[test]
fn a_handshake_that_never_ends_is_cut_off() {
    let ends = ends(TlsVersion::Tls13);
    let mut server = ends.server();
    // A hello that says it has 16 MiB, in records of 16 KiB.
    let mut record = vec![22, 3, 1, 64, 0];
    record.extend_from_slice(&[1, 255, 255, 255]);
    record.resize(5 + 16_384, 0);
    let mut kept = 0;
    let failed = (0..100).find_map(|_| {
        let failed = server.receive(&record).err();
        kept = kept.max(server.transport.kept());
        failed
    });
    assert!(failed.is_some() && kept <= 128 * 1024, "{kept}");
}

#[test]
fn a_turn_takes_few_steps_of_handshakes_and_each_has_its_own() {
    let ends = ends(TlsVersion::Tls13);
    let mut transports = Transports::default();
    let hello = ends.client().output();
    // All hellos come in one turn, in two pieces each.
    let (first, second) = hello.split_at(100);
    let answered = |transports: &mut Transports, slot: u32, bytes: &[u8]| {
        let heard = transports.receive(slot, &mut bytes.to_vec()).unwrap();
        assert!(heard.failure.is_none() && heard.plain.is_empty());
        heard.has_output
    };
    let mut at_once = 0;
    for slot in 0..40 {
        transports.insert(slot, ends.server().transport);
        for piece in [first, second] {
            if !transports.postpones(slot, piece, 1) {
                at_once += usize::from(answered(&mut transports, slot, piece));
            }
        }
    }
    assert_eq!(at_once, 8, "each takes two steps of sixteen");
    let mut later = Vec::new();
    for turn in 2..4 {
        for slot in transports.take_postponed(turn) {
            assert!(transports.is_postponed(slot) && answered(&mut transports, slot, &[]));
            later.push(slot);
        }
    }
    assert!(!transports.postpones(39, first, 9), "each turn has its own");
    assert!(later == (8..40).collect::<Vec<u32>>() && !transports.has_postponed());
}

#[test]
fn no_more_handshakes_than_may_be_are_admitted() {
    let ends = ends(TlsVersion::Tls13);
    let places: Vec<_> = std::iter::from_fn(|| ends.tls.admit()).collect();
    assert_eq!(places.len(), 1000);
    drop(places);
    // One is under way, in the hands of a clone.
    let (server, twin) = (ends.server(), ends.tls.clone());
    let places: Vec<_> = std::iter::from_fn(|| twin.admit()).collect();
    assert_eq!(places.len(), 999);
    drop(server);
    assert!(twin.admit().is_some());
}

#[test]
fn faults_of_files_name_the_file_and_say_what_to_do() {
    let faults = [
        (TlsConfig::new(), "TLS needs a certificate"),
        (TlsConfig::new().certificate("/nowhere.pem", "/nowhere.key"), "/nowhere.pem: it cannot be read"),
        (TlsConfig::new().certificate_pem("", ""), "no certificate is in it"),
    ];
    for (config, fault) in faults {
        let error = Tls::new(config).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
    let ends = ends(TlsVersion::Tls13);
    let config = ends.tls.0.current.lock().unwrap().config.clone();
    let faults = [
        (config.clone().protocols([""]), "no application protocol"),
        (config.clone().versions(TlsVersion::Tls13, TlsVersion::Tls12), "no version of TLS"),
        (config.clone().handshake_timeout(std::time::Duration::ZERO), "needs time"),
        (config.clone().client_ca("/nowhere.pem"), "/nowhere.pem"),
    ];
    for (config, fault) in faults {
        let error = ends.tls.replace(config).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
}
