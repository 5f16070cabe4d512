//! What cannot be mended by trying again is an error that says what to do.

use proactor_cluster::{ConnectError, Nats};

use crate::broker::{Broker, Scratch};
use crate::chat::{Node, meet};

fn fault(nats: Nats) -> (ConnectError, String) {
    let error = nats.node("a").connect().unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[test]
fn a_setting_that_cannot_be_is_named() {
    let (error, text) = fault(Nats::new("nats://me:secret@[::1"));
    assert!(matches!(error, ConnectError::Config(_)) && text.contains("nats://HOST:PORT"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    for prefix in ["", "a..b", "a b", "a.*", &"x".repeat(101)] {
        let (error, text) = fault(Nats::new("nats://127.0.0.1:1").prefix(prefix));
        assert!(matches!(error, ConnectError::Config(_)) && text.contains("letters, digits"), "{text}");
    }
    let (error, text) = fault(Nats::new("nats://127.0.0.1:1").credentials_file("/nowhere/a.creds"));
    assert!(matches!(error, ConnectError::File { .. }) && text.contains("credentials file /nowhere/a.creds"), "{text}");
    let (error, text) = fault(Nats::new("tls://127.0.0.1:1").trust("/nowhere/root.pem"));
    assert!(matches!(error, ConnectError::File { .. }) && text.contains("/nowhere/root.pem"), "{text}");
    let shown = format!("{:?}", Nats::new("nats://me:secret@127.0.0.1").user("me", "secret").token("secret"));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn a_user_whom_nats_does_not_let_in_is_told_so() {
    let Some(broker) = Broker::start(&["--user", "me", "--pass", "secret"]) else { return };
    for nats in [Nats::new(broker.url()), Nats::new(broker.url()).user("me", "wrong")] {
        let (error, text) = fault(nats);
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        assert!(text.contains(&format!("127.0.0.1:{}", broker.port)) && text.contains("check the user"), "{text}");
    }
    let with_url = broker.url().replace("nats://", "nats://me:secret@");
    let one = Nats::new(broker.url()).user("me", "secret").node("one").connect().unwrap();
    let two = Nats::new(with_url).node("two").connect().unwrap();
    meet(&[Node::start("one", one, 1), Node::start("two", two, 1)], "hello");
}

#[test]
fn tls_with_nobody_who_is_trusted_is_told_so() {
    let scratch = Scratch::new();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (scratch.0.join("cert.pem"), scratch.0.join("key.pem"));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let (cert_path, key_path) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let Some(broker) = Broker::start(&["--tls", "--tlscert", cert_path, "--tlskey", key_path]) else { return };
    let url = broker.url().replace("nats://", "tls://");
    let (error, text) = fault(Nats::new(url.clone()));
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    assert!(text.contains("could not set up TLS") && text.contains("check the certificates"), "{text}");
    let node = |name: &str| Nats::new(url.clone()).trust(&certificate).node(name).connect().unwrap();
    meet(&[Node::start("one", node("one"), 1), Node::start("two", node("two"), 1)], "hello");
}

#[test]
fn clusters_with_different_prefixes_do_not_hear_each_other() {
    let Some(broker) = Broker::start(&[]) else { return };
    let node = |prefix: &str, name: &str| {
        let place = Nats::new(broker.url()).prefix(prefix).node(name).connect().unwrap();
        Node::start(name, place, 1)
    };
    let (here, there) = ([node("x", "a"), node("x", "b")], [node("x.y", "c"), node("x.y", "d")]);
    meet(&here, "here");
    meet(&there, "there");
    for node in &here {
        assert!(!node.clients[0].heard.lock().unwrap().iter().any(|line| line.starts_with("there")));
    }
    for node in &there {
        assert!(!node.clients[0].heard.lock().unwrap().iter().any(|line| line.starts_with("here")));
    }
}

#[test]
fn what_nats_does_not_permit_is_not_lost_in_silence() {
    let scratch = Scratch::new();
    let config = scratch.0.join("nats.conf");
    let rules = "authorization { users = [ { user: me, password: secret, permissions: { publish: [\"none\", \"_INBOX.>\"] } } ] }";
    std::fs::write(&config, rules).unwrap();
    let Some(broker) = Broker::start(&["-c", config.to_str().unwrap()]) else { return };
    let place = Nats::new(broker.url()).user("me", "secret").node("a").connect().unwrap();
    let node = Node::start("a", place, 1);
    let before = node.interruptions();
    node.clients[0].say("hello");
    crate::broker::wait_until("the refusal to be told", || node.interruptions() > before);
}
