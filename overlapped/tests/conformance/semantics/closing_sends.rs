//! A socket that is dropped or closed at once, and the sends that were started before: each is
//! tried once, in order (`WSASend` and then `closesocket`).

use std::cell::Cell;
use std::rc::Rc;

use overlapped::driver::CloseMode;
use overlapped::engine::Sent;
use overlapped::future::block_on;
use overlapped::port::Queued;
use overlapped::routine::sleep_alertable;
use overlapped::{CompletionPort, Engine, Event};

use crate::harness::engine::*;
use crate::harness::*;

engine_rules! {
    a_detached_send_is_delivered_although_its_socket_is_dropped,
    a_hundred_sends_are_delivered_although_their_socket_is_dropped,
    a_hundred_sends_and_a_close_at_once_are_told_in_every_model,
    a_peer_that_does_not_read_gets_a_prefix_of_what_a_dropped_socket_has_sent,
    an_engine_that_is_dropped_lets_sends_be_tried: "the peer is a socket of the same engine",
}

/// Waits until the only socket is the peer's, if that is one of the engine.
fn closed(engine: &Engine, peer: &Peer) {
    until("it is closed", || engine.live().sockets == peer.sockets());
}

fn a_detached_send_is_delivered_although_its_socket_is_dropped(engine: &Engine) {
    for i in 0..20 {
        let (socket, peer) = pair(engine);
        if i % 2 == 1 {
            let _cancelled = socket.recv(vec![0; 8]).detach().unwrap();
        }
        socket.send(b"goodbye".to_vec()).detach().unwrap();
        drop(socket);
        closed(engine, &peer);
        assert_eq!(reader(&peer).join().unwrap(), b"goodbye");
    }
}

fn a_hundred_sends_are_delivered_although_their_socket_is_dropped(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(6400);
    for part in bytes.chunks(64) {
        socket.send(part.to_vec()).detach().unwrap();
    }
    drop(socket);
    closed(engine, &peer);
    assert!(reader(&peer).join().unwrap() == bytes);
}

fn a_hundred_sends_and_a_close_at_once_are_told_in_every_model(engine: &Engine) {
    let bytes = pattern(6400);
    let parts = || bytes.chunks(64).map(<[u8]>::to_vec);

    let (socket, peer) = pair(engine);
    let events: Vec<Event> = parts().map(|_| Event::new()).collect();
    let sends: Vec<_> =
        parts().zip(&events).map(|(part, event)| socket.send(part).event(event).start().unwrap()).collect();
    socket.close(CloseMode::Now).detach().unwrap();
    for (send, event) in sends.into_iter().zip(&events) {
        assert!(event.wait(WAIT).unwrap());
        assert_eq!(end(send).unwrap().bytes, 64);
    }
    closed(engine, &peer);
    assert!(reader(&peer).join().unwrap() == bytes);
    drop(peer);

    let (socket, peer) = pair(engine);
    let told = Rc::new(Cell::new(0));
    for part in parts() {
        let told = Rc::clone(&told);
        socket.send(part).on_complete(move |sent| told.set(told.get() + sent.unwrap().bytes)).unwrap();
    }
    socket.close(CloseMode::Now).detach().unwrap();
    while told.get() < 6400 {
        assert!(sleep_alertable(WAIT).unwrap() > 0);
    }
    closed(engine, &peer);
    assert!(reader(&peer).join().unwrap() == bytes);
    drop(peer);

    let (socket, peer) = pair(engine);
    let port = CompletionPort::new(1, 1024);
    socket.associate(&port, 7).unwrap();
    for (part, token) in parts().zip(0..) {
        assert!(matches!(socket.send(part).to_port(token).unwrap(), Queued::Pending(_)));
    }
    drop(socket);
    for token in 0..100 {
        let mut packet = port.get(WAIT).unwrap().expect("a packet for each");
        assert_eq!((packet.key, packet.token), (7, token));
        assert_eq!(packet.result::<Sent<Vec<u8>>>().unwrap().bytes, 64);
    }
    closed(engine, &peer);
    assert!(reader(&peer).join().unwrap() == bytes);
    drop(peer);

    let (socket, peer) = pair(engine);
    let sends: Vec<_> = parts().map(|part| socket.send(part).start().unwrap()).collect();
    drop(socket);
    for send in sends {
        assert_eq!(block_on(send).unwrap().unwrap().bytes, 64);
    }
    closed(engine, &peer);
    assert!(reader(&peer).join().unwrap() == bytes);
}

fn a_peer_that_does_not_read_gets_a_prefix_of_what_a_dropped_socket_has_sent(engine: &Engine) {
    for settled in [false, true] {
        let (socket, peer) = pair(engine);
        let bytes = pattern(many(engine, 64 << 20));
        let sends: Vec<_> =
            bytes.chunks(many(engine, 2 << 20)).map(|part| socket.send(part.to_vec()).start().unwrap()).collect();
        if settled {
            settle(engine);
        }
        drop(socket);
        let (mut told, mut cut) = (0, false);
        for send in sends {
            let sent = end(send);
            let bytes = sent.as_ref().map_or_else(|error| error.transferred(), |sent| sent.bytes);
            assert!(!cut || bytes == 0, "bytes after a gap");
            cut |= sent.is_err();
            told += bytes;
        }
        closed(engine, &peer);
        let read = reader(&peer).join().unwrap();
        assert!(cut && told > 0);
        assert!(read.len() as u64 == told && bytes.starts_with(&read), "{} of {told}", read.len());
    }
}

/// Whether its socket was dropped before or not.
fn an_engine_that_is_dropped_lets_sends_be_tried(own: Own) {
    let bytes = pattern(6400);
    let send = |engine: &Engine| {
        let (socket, peer) = pair(engine);
        for part in bytes.chunks(64) {
            socket.send(part.to_vec()).detach().unwrap();
        }
        (socket, peer)
    };
    let (open, to_open) = send(&own);
    let (dropped, to_dropped) = send(&own);
    let (stuck, to_stuck) = pair(&own);
    let unread = stuck.send(vec![0; 64 << 20]).start().unwrap();
    drop(dropped);
    drop(own);
    assert!(reader(&to_dropped).join().unwrap() == bytes);
    assert!(reader(&to_open).join().unwrap() == bytes);
    let told = end(unread).unwrap_err().transferred();
    assert_eq!(reader(&to_stuck).join().unwrap().len() as u64, told);
    drop((open, stuck));
}
