//! Who may be answered: cookies, and answers no larger than what came.

use std::net::UdpSocket;
use std::sync::mpsc;
use std::time::Duration;

use proactor::{CookieClient, DatagramDrop, Datagrams, Flow, Handler, Listener, NoMessage, Session, Stats};

use super::handlers::{Echo, Told, ask, heard, last_of, peer};
use super::harness::{finish, next, on_each_backend, wait_until};

/// Opens a session by the exchange of cookies.
fn open(peer: &UdpSocket, nonce: u64) {
    let mut client = CookieClient::new(nonce.to_be_bytes());
    while let Some(next) = client.to_send() {
        peer.send(&next).unwrap();
        assert!(client.received(&heard(peer)), "an answer of the exchange");
    }
}

#[test]
fn a_session_begins_when_the_cookie_is_returned() {
    on_each_backend(|builder| {
        let (told, tells) = mpsc::channel();
        let public = Listener::datagrams("127.0.0.1:0").datagram_settings(Datagrams::new().cookies(true));
        let server = builder.listen(public).start(Echo(told)).unwrap();
        let (ann, liar) = (peer(last_of(&server)), peer(last_of(&server)));
        // Neither a packet nor a hello makes a session.
        let hello = CookieClient::new([1; 8]).to_send().unwrap();
        for datagram in [&b"hello"[..], &hello[..31], &[0; 32]] {
            liar.send(datagram).unwrap();
        }
        liar.send(&hello).unwrap();
        let cookie = heard(&liar);
        assert_eq!(cookie.len(), hello.len(), "the answer is not longer than what came");
        assert_eq!(server.handle().sessions(), 0);
        open(&ann, 7);
        assert!(matches!(next(&tells), Told::Connected(..)));
        ask(&ann, b"a packet");
        ask(&ann, &[9; 32]);
        // A cookie is for the address that it was sent to.
        let mut stolen = cookie.clone();
        stolen[7] = 3;
        ann.send(&stolen).unwrap();
        assert_eq!(heard(&ann), stolen, "a packet of the session, as any other");
        let other = peer(last_of(&server));
        other.send(&stolen).unwrap();
        let dropped = |count| move |stats: Stats| stats.datagrams_dropped(DatagramDrop::NoCookie) == count;
        wait_until("four had no cookie", || dropped(4)(server.handle().stats()));
        liar.send(&stolen).unwrap();
        assert!(matches!(next(&tells), Told::Connected(..)), "where it was sent to, it is good");
        finish(server);
    });
}

#[test]
fn a_client_that_begins_anew_gets_a_new_session_and_a_doubled_return_does_not() {
    on_each_backend(|builder| {
        let (told, tells) = mpsc::channel();
        let public = Listener::datagrams("127.0.0.1:0").datagram_settings(Datagrams::new().cookies(true));
        let server = builder.listen(public).start(Echo(told)).unwrap();
        let ann = peer(last_of(&server));
        let mut client = CookieClient::new([1; 8]);
        ann.send(&client.to_send().unwrap()).unwrap();
        client.received(&heard(&ann));
        let returned = client.to_send().unwrap();
        for _ in 0..3 {
            ann.send(&returned).unwrap();
            assert_eq!(heard(&ann)[7], 4, "open");
        }
        let Told::Connected(first, _) = next(&tells) else { panic!("one session") };
        ask(&ann, b"of the first");
        open(&ann, 99);
        let told = [next(&tells), next(&tells)];
        assert!(told.contains(&Told::Closed(first, proactor::CloseReason::Replaced)), "{told:?}");
        ask(&ann, b"of the second");
        assert_eq!(server.handle().sessions(), 1);
        finish(server);
    });
}

/// Sends three times what comes, and believes its peer if that says so.
#[derive(Clone)]
struct Loud;

impl Handler for Loud {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        assert!(session.is_datagrams() && !session.is_peer_confirmed());
        session.send(&[b'!'; 1000]).unwrap();
    }
    fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
        if packet == b"token" {
            session.confirm_peer();
            assert!(session.is_peer_confirmed());
        }
        // As long as it, then one byte, then much more.
        let sent = [packet, b"1", &packet.repeat(100)].map(|packet| session.send(packet));
        if sent.into_iter().all(|sent| sent.is_ok()) { Flow::Continue } else { Flow::Close }
    }
}

#[test]
fn no_more_is_sent_than_came_until_the_logic_confirms_the_peer() {
    on_each_backend(|builder| {
        let server = builder.listen(Listener::datagrams("127.0.0.1:0")).start(Loud).unwrap();
        let peer = peer(last_of(&server));
        peer.send(&[1; 100]).unwrap();
        assert_eq!(heard(&peer), [1; 100], "the greeting and what is longer are dropped");
        // A second datagram proves nothing, but what came and was not used up counts.
        peer.send(&[2; 100]).unwrap();
        assert_eq!(heard(&peer), [2; 100]);
        peer.send(b"").unwrap();
        assert_eq!(heard(&peer), b"");
        let unproved = || server.handle().stats().datagrams_dropped(DatagramDrop::Unproved);
        wait_until("all that was too much is counted", || unproved() == 7);
        peer.send(b"token").unwrap();
        assert_eq!(
            [heard(&peer), heard(&peer), heard(&peer)],
            [b"token".to_vec(), b"1".to_vec(), b"token".repeat(100)]
        );
        assert_eq!(unproved(), 7);
        finish(server);
    });
}

#[test]
fn trusted_peers_are_sent_anything() {
    on_each_backend(|builder| {
        let (told, _tells) = mpsc::channel();
        let trusting = Listener::datagrams("127.0.0.1:0").datagram_settings(Datagrams::new().trust_peers(true));
        let server = builder.listen(trusting).start(Echo(told)).unwrap();
        let peer = peer(last_of(&server));
        ask(&peer, b"");
        let Told::Connected(id, _) = next(&_tells) else { panic!("it has a session") };
        server.handle().send(id, vec![5; 1472]).unwrap();
        assert_eq!(heard(&peer), [5; 1472]);
        peer.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(peer.recv(&mut [0; 10]).is_err(), "nothing else");
        finish(server);
    });
}
