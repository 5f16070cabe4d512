//! A drain finishes the work under way: what is work, and what is idle.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use proactor::codec::LengthPrefixed;
use proactor::{
    AsyncSession, Busy, CloseReason, Flow, Handler, NoMessage, SendError, Server, Session, SessionId, Stats, Timeouts,
};

use crate::harness::{PATIENCE, address_of, connect, echo, exchange, expect, on_each_backend, read_to_end, serve};

/// Waits for the end of a drained server. Returns what it has counted.
fn ended(server: Server) -> Stats {
    let handle = server.handle();
    server.wait().unwrap();
    let stats = handle.stats();
    assert_eq!(stats.flushed + stats.cut, stats.closed_in_all());
    stats
}

#[track_caller]
fn is_whole(stats: &Stats, sessions: u64) {
    assert_eq!((stats.drained, stats.drain_cut, stats.cut), (sessions, 0, 0), "{stats:?}");
}

/// Reads until a reset, which is what a peer sees that misses something.
fn read_to_reset(mut stream: &TcpStream) {
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted), "{error}");
}

/// Echoes. "busy" takes a busy guard, and "done" drops it. Tells of the drain.
#[derive(Clone)]
struct Echo(Sender<&'static str>);

impl Handler for Echo {
    type State = Option<Busy>;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> Option<Busy> {
        None
    }
    fn received(&mut self, session: &Session, busy: &mut Option<Busy>, packet: &[u8]) -> Flow {
        match packet {
            b"busy" => *busy = Some(session.busy()),
            b"done" => *busy = None,
            _ => {}
        }
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn draining(&mut self, session: &Session, _: &mut Option<Busy>) {
        assert!(session.is_draining());
        let _ = self.0.send("draining");
    }
    fn closed(&mut self, _: SessionId, _: Option<Busy>, reason: &CloseReason) {
        let _ = self.0.send(if *reason == CloseReason::Drained { "drained" } else { "closed" });
    }
}

fn start_echo(builder: proactor::Builder) -> (Server, Receiver<&'static str>) {
    let (sender, events) = mpsc::channel();
    (builder.start(Echo(sender)).unwrap(), events)
}

#[track_caller]
fn hear(events: &Receiver<&'static str>, event: &str) {
    assert_eq!(events.recv_timeout(PATIENCE).unwrap(), event);
}

#[test]
fn a_message_under_way_is_answered_before_the_end() {
    on_each_backend(|builder| {
        for _ in 0..30 {
            let (server, _events) = start_echo(builder.clone());
            let mut client = connect(address_of(&server));
            exchange(&client, b"hello");
            client.write_all(b"one more").unwrap();
            server.handle().drain(PATIENCE);
            assert_eq!(read_to_end(&client), b"one more");
            drop(client);
            is_whole(&ended(server), 1);
        }
    });
}

#[test]
fn a_task_in_offload_or_asleep_finishes() {
    async fn work(session: AsyncSession) -> Result<(), SendError> {
        while let Some(request) = session.next().await {
            session.send(b"1").await?;
            match &request[..] {
                b"sleep" => session.sleep(Duration::from_millis(100)).await,
                _ => session.offload(|| thread::sleep(Duration::from_millis(100))).await.unwrap(),
            }
            assert!(session.is_draining());
            session.draining().await;
            session.send(b"2").await?;
        }
        assert_eq!(session.closed().await, CloseReason::Drained);
        Ok(())
    }
    on_each_backend(|builder| {
        let (server, address) = serve(builder, work);
        let clients: Vec<TcpStream> = [&b"sleep"[..], b"offload"]
            .into_iter()
            .map(|word| {
                let mut client = connect(address);
                client.write_all(word).unwrap();
                expect(&client, b"1");
                client
            })
            .collect();
        server.handle().drain(PATIENCE);
        for client in clients {
            assert_eq!(read_to_end(&client), b"2");
        }
        is_whole(&ended(server), 2);
    });
}

#[test]
fn a_busy_session_is_still_handed_packets_until_its_guard_is_dropped() {
    on_each_backend(|builder| {
        let (server, events) = start_echo(builder);
        let (idle, mut busy) = (connect(address_of(&server)), connect(address_of(&server)));
        exchange(&busy, b"busy");
        exchange(&idle, b"hello");
        server.handle().drain(PATIENCE);
        hear(&events, "draining");
        hear(&events, "draining");
        assert_eq!(read_to_end(&idle), b"", "it was idle");
        drop(idle);
        hear(&events, "drained");
        for _ in 0..3 {
            exchange(&busy, b"and this?");
        }
        busy.write_all(b"done").unwrap();
        assert_eq!(read_to_end(&busy), b"done");
        hear(&events, "drained");
        drop(busy);
        is_whole(&ended(server), 2);
    });
}

#[test]
fn a_packet_of_which_only_the_beginning_has_come_is_waited_for() {
    on_each_backend(|builder| {
        let (server, events) = start_echo(builder.codec(LengthPrefixed::u16()));
        let mut client = connect(address_of(&server));
        exchange(&client, b"\0\x01x");
        client.write_all(b"\0\x05he").unwrap();
        server.handle().drain(PATIENCE);
        hear(&events, "draining");
        // A whole other session comes and goes meanwhile.
        thread::sleep(Duration::from_millis(20));
        client.write_all(b"llo").unwrap();
        assert_eq!(read_to_end(&client), b"\0\x05hello");
        drop(client);
        is_whole(&ended(server), 1);
    });
}

#[test]
fn an_idle_client_that_ignores_the_end_is_reset_after_the_linger() {
    on_each_backend(|builder| {
        let timeouts = Timeouts::new().linger(Duration::from_millis(100));
        let (server, address) = serve(builder.timeouts(timeouts), echo);
        let client = connect(address);
        exchange(&client, b"hello");
        server.handle().drain(Duration::from_secs(24 * 60 * 60));
        assert_eq!(read_to_end(&client), b"", "the end, and no reset before it");
        // The client keeps its own stream open. The drain is over all the same.
        is_whole(&ended(server), 1);
    });
}

#[test]
fn a_peer_that_takes_what_is_queued_slowly_gets_all_of_it() {
    const BYTES: usize = 12 << 20;
    async fn give(session: AsyncSession) -> Result<(), SendError> {
        for _ in 0..BYTES / 4096 {
            session.send([7; 4096]).await?;
        }
        Ok(())
    }
    on_each_backend(|builder| {
        // Reading it takes longer than the linger.
        let timeouts = Timeouts::new().linger(Duration::from_millis(50));
        let (server, address) = serve(builder.timeouts(timeouts), give);
        let mut client = connect(address);
        client.read_exact(&mut [0]).unwrap();
        server.handle().drain(PATIENCE);
        let (mut piece, mut got) = (vec![0; 1 << 20], 1);
        loop {
            match client.read(&mut piece).unwrap() {
                0 => break,
                bytes => got += bytes,
            }
            thread::sleep(Duration::from_millis(3));
        }
        assert_eq!(got, BYTES);
        drop(client);
        is_whole(&ended(server), 1);
    });
}

#[test]
fn a_flooding_client_does_not_hold_the_drain_beyond_its_deadline() {
    on_each_backend(|builder| {
        let (server, _events) = start_echo(builder);
        let client = connect(address_of(&server));
        exchange(&client, b"hello");
        thread::scope(|scope| {
            scope.spawn(|| while (&client).write_all(&[1; 10_000]).is_ok() {});
            scope.spawn(|| {
                let mut piece = [0; 10_000];
                while matches!((&client).read(&mut piece), Ok(1..)) {}
            });
            server.handle().drain(Duration::from_millis(300));
            let stats = ended(server);
            assert_eq!(stats.drained + stats.drain_cut, 1, "{stats:?}");
            let _ = client.shutdown(Shutdown::Both);
        });
    });
}

#[test]
fn what_is_left_at_the_deadline_is_cut_by_a_reset_and_counted() {
    async fn work(session: AsyncSession) -> Result<(), SendError> {
        while let Some(request) = session.next().await {
            session.send(b"x").await?;
            match &request[..] {
                b"work" => session.sleep(PATIENCE).await,
                b"fill" => loop {
                    session.send([7; 4096]).await?;
                },
                _ => {}
            }
        }
        Ok(())
    }
    on_each_backend(|builder| {
        let (server, address) = serve(builder, work);
        let begun: Vec<(TcpStream, bool)> = [&b"work"[..], b"fill", b"idle", b"work", b"idle"]
            .into_iter()
            .map(|word| {
                let mut client = connect(address);
                client.write_all(word).unwrap();
                expect(&client, b"x");
                (client, word == b"idle")
            })
            .collect();
        // Long enough for those that are idle, also on a busy machine.
        server.handle().drain(Duration::from_secs(1));
        let (idle, cut): (Vec<_>, Vec<_>) = begun.into_iter().partition(|(_, idle)| *idle);
        for (client, _) in idle {
            assert_eq!(read_to_end(&client), b"");
        }
        let stats = ended(server);
        for (client, _) in cut {
            read_to_reset(&client);
        }
        assert_eq!((stats.drained, stats.drain_cut, stats.cut), (2, 3, 3));
        assert_eq!((stats.closed(CloseReason::Drained), stats.closed(CloseReason::ServerStopping)), (2, 3));
    });
}

/// A close that is flushing when the time is over: its peer must not take a part for the whole.
#[test]
fn a_close_that_is_still_sending_at_the_deadline_is_cut_by_a_reset() {
    on_each_backend(|builder| {
        let limits = proactor::Limits::new().outbox_bytes(64 << 20);
        let (server, address) = serve(builder.limits(limits), async |session: AsyncSession| {
            session.try_send(vec![7; 32 << 20]).unwrap();
        });
        let mut client = connect(address);
        client.read_exact(&mut [0]).unwrap();
        server.handle().drain(Duration::from_millis(100));
        let stats = ended(server);
        read_to_reset(&client);
        assert_eq!((stats.drained, stats.drain_cut, stats.cut), (0, 1, 1));
        assert_eq!(stats.closed(CloseReason::ByHandler), 1, "the first reason stays");
    });
}
