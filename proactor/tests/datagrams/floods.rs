//! Floods of datagrams from many addresses: what is kept stays small, and live sessions go on.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc;

use proactor::{CookieClient, DatagramDrop, Datagrams, Limits, Listener, ListenerLimits, Refusal};

use super::handlers::{Echo, ask, heard, last_of, peer};
use super::harness::{finish, on_each_backend};

/// Addresses of this machine's loopback that nobody uses, one datagram from each.
fn flood(to: SocketAddr, count: u32, datagram: &[u8], mut between: impl FnMut()) {
    for number in 0..count {
        let from = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + number);
        let liar = UdpSocket::bind((from, 0)).unwrap();
        // The system's buffer may be full: that is what floods do.
        let _ = liar.send_to(datagram, to);
        if number % 500 == 0 {
            between();
        }
    }
}

/// Asks until there is an answer: a flood makes the system drop datagrams.
fn ask_again(peer: &UdpSocket, datagram: &[u8]) {
    peer.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    for _ in 0..600 {
        peer.send(datagram).unwrap();
        let mut answer = [0; 100];
        if peer.recv(&mut answer).is_ok_and(|bytes| answer[..bytes] == *datagram) {
            return;
        }
    }
    panic!("no answer");
}

/// Kibibytes of this process in memory.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_hundred_thousand_addresses_without_a_cookie_cost_nothing() {
    const ADDRESSES: u32 = 100_000;
    on_each_backend(|builder| {
        let (told, _tells) = mpsc::channel();
        let settings = Datagrams::new().cookies(true);
        let server = builder.listen(Listener::datagrams("127.0.0.1:0").datagram_settings(settings));
        let server = server.start(Echo(told)).unwrap();
        let live = peer(last_of(&server));
        let mut client = CookieClient::new([1; 8]);
        while let Some(next) = client.to_send() {
            live.send(&next).unwrap();
            client.received(&heard(&live));
        }
        ask(&live, b"before");
        let hello = CookieClient::new([2; 8]).to_send().unwrap();
        let flooded = || {
            let before = resident();
            flood(last_of(&server), ADDRESSES / 2, &hello, || ask_again(&live, b"in between"));
            flood(last_of(&server), ADDRESSES / 2, b"no hello at all", || ask_again(&live, b"in between"));
            ask_again(&live, b"after");
            assert_eq!(server.handle().sessions(), 1);
            assert_eq!(server.handle().stats().accepted, 1);
            resident().saturating_sub(before)
        };
        // Other tests of this process take memory too. What a flood costs, it costs each time.
        let grown = (0..4).map(|_| flooded()).find(|grown| *grown < 4 * 1024);
        assert!(grown.is_some(), "each flood costs memory");
        finish(server);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn without_cookies_the_limits_hold_and_live_sessions_go_on() {
    on_each_backend(|builder| {
        let (told, _tells) = mpsc::channel();
        let limits = ListenerLimits::new().sessions(1000).sessions_per_ip(2);
        let server =
            builder.limits(Limits::new().sessions(5000)).listen(Listener::datagrams("127.0.0.1:0").limits(limits));
        let server = server.start(Echo(told)).unwrap();
        let live = peer(last_of(&server));
        ask(&live, b"before");
        // Of one address there are as many as may be.
        let (second, third) = (peer(last_of(&server)), peer(last_of(&server)));
        ask(&second, b"two");
        third.send(b"three").unwrap();
        flood(last_of(&server), 20_000, b"x", || ask_again(&live, b"in between"));
        ask_again(&live, b"after");
        let stats = server.handle().stats();
        assert_eq!(stats.sessions, 1000);
        assert_eq!(stats.refused(Refusal::SessionsPerIp), 1);
        assert!(stats.refused(Refusal::Sessions) > 0);
        assert_eq!(stats.datagrams_dropped(DatagramDrop::NoCookie), 0);
        finish(server);
    });
}
