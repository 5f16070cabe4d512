//! Sessions by address: one handler for datagrams and for streams.

use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use proactor::codec::LengthPrefixed;
use proactor::{AsyncSession, Datagrams, Group, Listener, SendError};

use super::handlers::{Chat, Echo, Told, ask, heard, last_of, peer};
use super::harness::{backends, builder, finish, next, on_each_backend, patient, wait_until};

#[test]
fn a_session_is_an_address_and_a_packet_a_datagram() {
    on_each_backend(|builder| {
        let (told, tells) = mpsc::channel();
        let builder = builder.listen(Listener::datagrams("127.0.0.1:0")).listen(Listener::datagrams("[::1]:0"));
        let server = builder.start(Echo(told)).unwrap();
        for address in &server.local_addrs()[1..] {
            let (ann, bob) = (peer(address.ip().unwrap()), peer(address.ip().unwrap()));
            for length in [5, 0, 1, 1472, 100] {
                ask(&ann, &vec![length as u8; length]);
                ask(&bob, &vec![7; length]);
            }
            let Told::Connected(anns, _) = next(&tells) else { panic!("it begins with its first datagram") };
            let Told::Connected(bobs, _) = next(&tells) else { panic!("one session each") };
            assert_ne!(anns, bobs);
        }
        assert_eq!(server.handle().sessions(), 4);
        // Counted at the end of a turn.
        wait_until("all are counted", || {
            let stats = server.handle().stats();
            (stats.accepted, stats.datagrams_received, stats.datagrams_sent) == (4, 20, 20)
        });
        finish(server);
    });
}

#[test]
fn many_peers_keep_their_sessions_over_several_shards() {
    for backend in backends() {
        let (told, tells) = mpsc::channel();
        let server = builder(backend, 3).listen(Listener::datagrams("127.0.0.1:0")).start(Echo(told)).unwrap();
        let address = last_of(&server);
        let peers: Vec<_> = (0..64).map(|_| peer(address)).collect();
        for round in 0..5_u32 {
            peers.iter().for_each(|peer| ask(peer, &round.to_be_bytes()));
        }
        let mut shards: Vec<Option<String>> = Vec::new();
        for _ in &peers {
            let Told::Connected(_, shard) = next(&tells) else { panic!("none has ended") };
            shards.push(shard);
        }
        assert!(tells.try_recv().is_err(), "one session each");
        shards.sort();
        shards.dedup();
        let spread = if cfg!(target_os = "linux") { 3 } else { 1 };
        assert_eq!(shards.len(), spread);
        finish(server);
    }
}

#[test]
fn a_broadcast_reaches_datagrams_and_streams() {
    on_each_backend(|builder| {
        let builder = builder.codec(LengthPrefixed::u16()).listen(Listener::datagrams("127.0.0.1:0"));
        let group = Group::new();
        let server = builder.start(Chat(group.clone())).unwrap();
        let addresses = server.local_addrs();
        let stream = patient(TcpStream::connect(addresses[0].ip().unwrap()).unwrap());
        wait_until("the stream is a member", || group.len() == 1);
        let peers = [(); 3].map(|()| peer(addresses[1].ip().unwrap()));
        for (count, peer) in peers.iter().enumerate() {
            peer.send(b"I am here").unwrap();
            assert_eq!(heard(peer), b"I am here");
            wait_until("all are members", || group.len() == count + 2);
        }
        for (earlier, peer) in peers[..2].iter().enumerate() {
            (earlier..2).for_each(|_| assert_eq!(heard(peer), b"I am here"));
        }
        peers[2].send(b"hello").unwrap();
        peers.iter().for_each(|peer| assert_eq!(heard(peer), b"hello"));
        super::harness::expect(&stream, b"\0\x09I am here\0\x09I am here\0\x09I am here\0\x05hello");
        finish(server);
    });
}

#[test]
fn an_async_function_takes_packet_by_packet() {
    async fn twos(session: AsyncSession) -> Result<(), SendError> {
        // Those that come while it sleeps wait.
        while let Some(first) = session.next().await {
            session.sleep(Duration::from_millis(5)).await;
            let Some(second) = session.next().await else { break };
            session.send(&[&first[..], &second[..]].concat()).await?;
        }
        Ok(())
    }
    on_each_backend(|builder| {
        let server = builder.listen(Listener::datagrams("127.0.0.1:0")).serve(twos).unwrap();
        let peer = peer(last_of(&server));
        for round in 0..20_u8 {
            peer.send(&[round; 3]).unwrap();
            peer.send(&[round; 4]).unwrap();
        }
        for round in 0..20_u8 {
            assert_eq!(heard(&peer), [round; 7]);
        }
        finish(server);
    });
}

#[test]
fn what_is_too_long_is_dropped_and_counted_and_nobody_is_hurt() {
    on_each_backend(|builder| {
        let (told, _tells) = mpsc::channel();
        let settings = Datagrams::new().max_bytes(100);
        let builder = builder.listen(Listener::datagrams("127.0.0.1:0").datagram_settings(settings));
        let server = builder.start(Echo(told)).unwrap();
        let peer = peer(last_of(&server));
        ask(&peer, &[1; 100]);
        // The second is longer than a pooled buffer too.
        peer.send(&[2; 101]).unwrap();
        peer.send(&[3; 60_000]).unwrap();
        ask(&peer, &[4; 99]);
        let dropped = || server.handle().stats().datagrams_dropped(proactor::DatagramDrop::Oversized);
        wait_until("both are counted", || dropped() == 2);
        assert_eq!(server.handle().sessions(), 1);
        finish(server);
    });
}

#[test]
fn a_peer_that_is_gone_closes_no_listener() {
    on_each_backend(|builder| {
        let (told, tells) = mpsc::channel();
        let server = builder.listen(Listener::datagrams("127.0.0.1:0")).start(Echo(told)).unwrap();
        let address = last_of(&server);
        let stays = peer(address);
        ask(&stays, b"here");
        stays.send(b"confirm").unwrap();
        let gone = [(); 20].map(|()| peer(address));
        gone.iter().for_each(|gone| assert_eq!(gone.send(b"confirm").unwrap(), 7));
        // The system answers with "port unreachable".
        let ids: Vec<_> = (0..21).map(|_| next(&tells)).collect();
        drop(gone);
        for told in ids {
            let Told::Connected(id, _) = told else { panic!("none has ended") };
            server.handle().send(id, &b"hi"[..]).unwrap();
        }
        assert_eq!(heard(&stays), b"hi", "as short as what came");
        (0..100_u8).for_each(|round| ask(&stays, &[round]));
        finish(server);
    });
}
