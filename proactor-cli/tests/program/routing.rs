//! `proactor proxy --route`: clients over TLS by the name that they ask for, without decrypting.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use crate::harness::{PATIENCE, Running, proactor, run};
use crate::reserved::Reserved;

/// A hello of TLS 1.2 with this name, and so many bytes of padding.
fn hello(name: Option<&str>, padding: usize) -> Vec<u8> {
    let extension = |kind: u8, body: &[u8]| [&[0, kind], &length(body.len())[..], body].concat();
    // Signatures: ed25519.
    let mut extensions = extension(13, &[0, 2, 8, 7]);
    if let Some(name) = name {
        let entry = [&[0], &length(name.len())[..], name.as_bytes()].concat();
        extensions.extend(extension(0, &[&length(entry.len())[..], &entry].concat()));
    }
    if padding > 0 {
        extensions.extend(extension(21, &vec![0; padding]));
    }
    // Version, random, no session, one cipher suite, no compression.
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xcc, 0xa9, 1, 0]);
    body.extend(length(extensions.len()));
    body.extend(extensions);
    let message = [&[1, 0], &length(body.len())[..], &body].concat();
    message.chunks(16_384).flat_map(|part| [&[22, 3, 1], &length(part.len())[..], part].concat()).collect()
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap().to_be_bytes()
}

struct Upstream {
    listener: TcpListener,
    address: SocketAddr,
}

impl Upstream {
    fn new() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Upstream { listener, address }
    }

    fn route(&self, name: &str) -> String {
        format!("{name}={}", self.address)
    }

    /// Takes a connection, which begins with these bytes.
    fn expect(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.listener.accept().unwrap().0;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut came = vec![0; bytes.len()];
        stream.read_exact(&mut came).unwrap();
        assert!(came == bytes);
        stream
    }
}

fn start(arguments: &[&str]) -> Running {
    Running::of(proactor(&[&["proxy", "--listen", "127.0.0.1:0"], arguments].concat()))
}

fn answer(proxy: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut client = proxy.connect();
    client.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    answer
}

const fn alert(which: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, which]
}

#[test]
fn clients_go_where_their_name_says_and_their_bytes_come_untouched() {
    let [chat, games, rest] = [Upstream::new(), Upstream::new(), Upstream::new()];
    let (to_chat, to_games) = (chat.route("chat.example.org"), games.route("*.example.org"));
    let proxy = start(&["--route", &to_chat, "--route", &to_games, "--upstream", &rest.address.to_string()]);
    let said = format!(" to {}, and 2 by name; backend ", rest.address);
    assert!(proxy.line.contains(&said), "{}", proxy.line);
    for (name, upstream) in [
        (Some("chat.example.org"), &chat),
        (Some("CHAT.example.org"), &chat),
        (Some("a.example.org"), &games),
        (Some("b.example.org"), &games),
        (Some("a.b.example.org"), &rest),
        (None, &rest),
    ] {
        // What comes behind the hello is passed on too, whatever it is.
        let sent = [&hello(name, 3_000)[..], b"behind"].concat();
        let mut client = proxy.connect();
        client.write_all(&sent).unwrap();
        let mut taken = upstream.expect(&sent);
        taken.write_all(b"answer").unwrap();
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
        client.write_all(b"more").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut came = Vec::new();
        taken.read_to_end(&mut came).unwrap();
        assert_eq!(came, b"more");
        drop(taken);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    let summary = proxy.summary();
    assert!(summary.contains("6 clients (6: closed by the peer)") && !summary.contains("not routed"), "{summary}");
}

#[test]
fn a_hello_is_put_together_from_single_bytes() {
    let upstream = Upstream::new();
    let proxy = start(&["--route", &upstream.route("chat.example.org")]);
    let sent = hello(Some("chat.example.org"), 0);
    let mut client = proxy.connect();
    client.set_nodelay(true).unwrap();
    for byte in &sent {
        client.write_all(&[*byte]).unwrap();
        std::thread::yield_now();
    }
    drop(upstream.expect(&sent));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn who_cannot_be_routed_is_told_by_an_alert_and_counted() {
    let upstream = Upstream::new();
    let route = upstream.route("chat.example.org");
    let proxy = start(&["--route", &route, "--hello-timeout", "60s"]);
    assert_eq!(answer(&proxy, &hello(Some("other.test"), 0)), alert(112));
    assert_eq!(answer(&proxy, &hello(Some("example.org"), 0)), alert(112));
    assert_eq!(answer(&proxy, &hello(None, 0)), alert(109));
    assert_eq!(answer(&proxy, b"GET / HTTP/1.0\r\n\r\n"), alert(50));
    assert_eq!(answer(&proxy, &[23, 3, 3, 0, 1, 0]), alert(10));
    // One byte over the most; then by its lengths alone.
    let over = hello(Some("chat.example.org"), 16_384);
    assert_eq!(answer(&proxy, &over), alert(50));
    assert_eq!(answer(&proxy, &over[..9]), alert(50));
    // Half a hello, then the end.
    let half = hello(Some("chat.example.org"), 0);
    let mut client = proxy.connect();
    client.write_all(&half[..half.len() / 2]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    // Nobody else is affected.
    let mut client = proxy.connect();
    client.write_all(&half).unwrap();
    drop(upstream.expect(&half));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    let summary = proxy.summary();
    for counted in [
        "9 clients (",
        "not routed (2: no route for the name; 1: no name asked for; 1: the client left before its hello was whole; \
         1: the peer does not speak TLS; 3: the peer broke the TLS protocol)",
    ] {
        assert!(summary.contains(counted), "{counted} is not in {summary}");
    }
}

#[test]
fn who_says_no_whole_hello_in_time_is_reset_and_counted() {
    let upstream = Upstream::new();
    let proxy = start(&["--route", &upstream.route("chat.example.org"), "--hello-timeout", "300ms"]);
    let half = hello(Some("chat.example.org"), 0);
    for sent in [&half[..half.len() / 2], &[]] {
        let mut client = proxy.connect();
        // On a busy machine the timeout may come before this write.
        let _ = client.write_all(sent);
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    let summary = proxy.summary();
    assert!(summary.contains("2 clients (") && summary.contains("not routed (2: no whole hello in time)"), "{summary}");
}

#[test]
fn the_upstream_is_told_who_the_client_is_before_the_hello() {
    let upstream = Upstream::new();
    let proxy = start(&["--route", &upstream.route("chat.example.org"), "--send-proxy", "v1"]);
    let sent = hello(Some("chat.example.org"), 0);
    let mut client = proxy.connect();
    client.write_all(&sent).unwrap();
    let (from, to) = (client.local_addr().unwrap(), proxy.addresses[0]);
    let header = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", from.port(), to.port());
    drop(upstream.expect(&[header.as_bytes(), &sent].concat()));
}

#[test]
fn a_client_whose_upstream_is_down_is_reset() {
    let nobody = Reserved::new();
    let address = nobody.address;
    let mut proxy = start(&["--route", &format!("chat.example.org={address}")]);
    let mut client = proxy.connect();
    client.write_all(&hello(Some("chat.example.org"), 0)).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(client);
    proxy.interrupt();
    assert_eq!(proxy.ended().code(), Some(0));
    let (log, summary) = proxy.rest_of_log();
    assert!(log.contains(&format!("could not connect to {address}")), "{log}");
    assert!(summary.contains("1 not made") && !summary.contains("not routed"), "{summary}");
}

#[test]
fn options_that_contradict_each_other_are_named() {
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &["--upstream <HOST:PORT>", "required"]),
        (&["--route", "a.test"], &["write NAME=ADDR"]),
        (&["--route", "a b=127.0.0.1:1"], &["'a b' is no name"]),
        (&["--route", "a.test=here"], &["'here' is nothing to connect to"]),
        (&["--route", "a.test=127.0.0.1:1", "--route", "A.test=127.0.0.1:2"], &["'a.test' has two upstreams"]),
        (&["--route", "a.test=127.0.0.1:1", "--upstream-tls"], &["--upstream-tls", "--tls-cert"]),
    ];
    for (arguments, texts) in cases {
        let output = run(&[&["proxy", "--listen", "127.0.0.1:0"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}: {said}");
        for text in texts {
            assert!(said.contains(text), "{arguments:?}: {text:?} is not in {said:?}");
        }
    }
}
