//! Calls from other threads at the moment at which a server starts, accepts a session, closes one,
//! or ends. Each round acts as soon as it sees that something has begun, so that it hits the
//! middle.

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proactor::codec::{Codec, Decoded, FrameError, Raw};
use proactor::{CloseReason, ConnectError, Flow, Group, Handler, NoMessage, Server, ServerError, Session, SessionId};

use crate::harness::{PATIENCE, Refusing, address_of, backends, builder, connect, read_once};

/// How long a test repeats its rounds.
const LONG: Duration = Duration::from_millis(700);

fn rounds() -> impl Iterator<Item = usize> {
    let end = Instant::now() + LONG;
    (0..).take_while(move |round| *round < 3 || Instant::now() < end)
}

fn spin_until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    for spins in 1_u32.. {
        if reached() {
            return;
        }
        std::hint::spin_loop();
        // With fewer cores than threads, the other thread needs this core.
        if spins.is_multiple_of(1000) {
            std::thread::yield_now();
            assert!(Instant::now() < end, "never: {what}");
        }
    }
}

/// Runs work on another thread, and fails if it takes for ever.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(work()));
    told.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn wait(server: Server) {
    in_time("the server ends", move || server.wait()).unwrap();
}

/// Counts the sessions that begin and end, and the outbound connections that fail.
#[derive(Clone, Default)]
struct Watch {
    group: Option<Group>,
    ids: Arc<Mutex<Vec<SessionId>>>,
    came: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

impl Handler for Watch {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) {
        if let Some(group) = &self.group {
            session.join(group).unwrap();
        }
        self.ids.lock().unwrap().push(session.id());
        self.came.fetch_add(1, Ordering::SeqCst);
    }

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }

    fn closed(&mut self, _: SessionId, (): (), _: &CloseReason) {
        self.gone.fetch_add(1, Ordering::SeqCst);
    }

    fn connect_failed(&mut self, _: Option<&Session>, _: u64, _: &ConnectError) {
        self.failed.fetch_add(1, Ordering::SeqCst);
    }
}

/// A drain delivers what is queued, and that includes what its caller sent just before.
#[test]
fn a_drain_delivers_what_was_sent_before() {
    for backend in backends() {
        for round in rounds() {
            let watch = Watch::default();
            let server = builder(backend, 1 + round % 2).start(watch.clone()).unwrap();
            let handle = server.handle();
            let mut client = connect(address_of(&server));
            spin_until("the client is a session", || watch.came.load(Ordering::SeqCst) == 1);
            let id = watch.ids.lock().unwrap()[0];
            handle.send(id, &b"good"[..]).unwrap();
            handle.send(id, &b"bye"[..]).unwrap();
            handle.drain(PATIENCE);
            let mut received = Vec::new();
            client.read_to_end(&mut received).unwrap();
            assert_eq!(received, b"goodbye", "{backend}, round {round}");
            drop(client);
            wait(server);
        }
    }
}

/// The same for joins and broadcasts before the drain.
#[test]
fn a_drain_delivers_broadcasts_to_members_that_joined_before() {
    for backend in backends() {
        for round in rounds() {
            let (watch, group) = (Watch::default(), Group::new());
            let server = builder(backend, 1 + round % 2).start(watch.clone()).unwrap();
            let handle = server.handle();
            let mut client = connect(address_of(&server));
            spin_until("the client is a session", || watch.came.load(Ordering::SeqCst) == 1);
            let id = watch.ids.lock().unwrap()[0];
            handle.join(id, &group).unwrap();
            group.broadcast(b"good").unwrap();
            handle.send(id, &b"bye"[..]).unwrap();
            handle.drain(PATIENCE);
            let mut received = Vec::new();
            client.read_to_end(&mut received).unwrap();
            assert_eq!(received, b"goodbye", "{backend}, round {round}");
            drop(client);
            wait(server);
            assert_eq!(group.len(), 0);
        }
    }
}

/// A `connect` that returned `Ok` always ends in a session or in `connect_failed`.
#[test]
fn every_accepted_connect_request_is_answered_whenever_the_server_ends() {
    for backend in backends() {
        for round in rounds() {
            let watch = Watch::default();
            let server = builder(backend, 2).start(watch.clone()).unwrap();
            let (handle, address) = (server.handle(), address_of(&server));
            // Connects to the server itself, or to an address that refuses.
            let nobody = Refusing::v4();
            let target = if round % 4 < 2 { address } else { nobody.address };
            let asking = Arc::new(AtomicBool::new(false));
            let askers: Vec<JoinHandle<usize>> = (0..4)
                .map(|_| {
                    let (handle, asking) = (handle.clone(), Arc::clone(&asking));
                    std::thread::spawn(move || {
                        let mut taken = 0;
                        // More than 200 at once would only cost time.
                        while handle.connect(target, 0).is_ok() {
                            taken += 1;
                            asking.store(true, Ordering::SeqCst);
                            let end = Instant::now() + PATIENCE;
                            while handle.stats().outbound > 200 && Instant::now() < end {
                                std::thread::yield_now();
                            }
                        }
                        taken
                    })
                })
                .collect();
            spin_until("a connect was accepted", || asking.load(Ordering::SeqCst));
            match round % 2 {
                0 => handle.stop(),
                _ => handle.drain(Duration::from_millis(50)),
            }
            wait(server);
            let taken: usize = askers.into_iter().map(|asker| asker.join().unwrap()).sum();
            let stats = handle.stats();
            assert_eq!(stats.outbound, 0, "{backend}, round {round}: a slot was not given back");
            let (connected, failed) = (stats.connected as usize, watch.failed.load(Ordering::SeqCst));
            assert_eq!(connected + failed, taken, "{backend}, round {round}: {connected} and {failed}");
            assert_eq!(stats.connects_failed as usize, failed);
        }
    }
}

/// A codec that panics if it is cloned on the thread of this name.
#[derive(Debug)]
struct Fragile(&'static str);

impl Clone for Fragile {
    fn clone(&self) -> Fragile {
        assert_ne!(std::thread::current().name(), Some(self.0), "asked to panic");
        Fragile(self.0)
    }
}

impl Codec for Fragile {
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        Raw.decode(bytes)
    }
    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        Raw.encode(packet, out)
    }
    fn max_bytes(&self) -> usize {
        Raw.max_bytes()
    }
}

#[test]
fn a_shard_that_panics_while_it_starts_fails_the_start() {
    for name in ["shard-0", "shard-1", "shard-2"] {
        let started = in_time("the start ends", move || {
            Server::builder().listen("127.0.0.1:0").shards(3).codec(Fragile(name)).start(Watch::default()).map(drop)
        });
        assert!(matches!(started, Err(ServerError::Thread(_))), "{name}: {started:?}");
    }
}

#[test]
fn a_server_can_be_ended_as_soon_as_it_has_started() {
    for backend in backends() {
        for round in rounds() {
            let server = builder(backend, 1 + round % 3).start(Watch::default()).unwrap();
            let handle = server.handle();
            // With or without a connection in the backlog.
            let client = (round % 2 == 0).then(|| connect(address_of(&server)));
            match round % 4 {
                0 => handle.stop(),
                1 => handle.drain(PATIENCE),
                2 => {
                    handle.drain(PATIENCE);
                    handle.stop();
                }
                _ => {
                    in_time("the drop ends", move || drop(server));
                    continue;
                }
            }
            drop(client);
            wait(server);
            assert_eq!(handle.sessions(), 0);
        }
    }
}

/// Other threads use sessions that come and go while the server ends.
#[test]
fn calls_from_other_threads_leave_nothing_behind_when_the_server_ends() {
    for backend in backends() {
        for round in 0..4 {
            let group = Group::new();
            let watch = Watch { group: (round % 2 == 0).then(|| group.clone()), ..Watch::default() };
            let server = builder(backend, 2).start(watch.clone()).unwrap();
            let (handle, address) = (server.handle(), address_of(&server));
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let (watch, over, group, handle) = (&watch, &over, &group, &handle);
                for worker in 0..2 {
                    // Acts on each session as soon as its id is known.
                    scope.spawn(move || {
                        let mut seen = 0;
                        while !over.load(Ordering::SeqCst) {
                            let Some(id) = watch.ids.lock().unwrap().get(seen).copied() else {
                                std::hint::spin_loop();
                                continue;
                            };
                            seen += 1;
                            // The server may have ended by now.
                            let _ = handle.join(id, group);
                            let _ = group.broadcast(b"news");
                            let _ = handle.send(id, &b"mail"[..]);
                            if (seen + worker).is_multiple_of(3) {
                                let _ = handle.leave(id, group);
                            }
                            if (seen + worker).is_multiple_of(2) {
                                let _ = handle.close(id);
                            }
                        }
                    });
                }
                scope.spawn(move || {
                    let mut count = 0_usize;
                    while !over.load(Ordering::SeqCst) {
                        let Ok(mut client) = TcpStream::connect(address) else { continue };
                        client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                        count += 1;
                        let _ = client.write_all(b"packet");
                        if !count.is_multiple_of(3) {
                            let _ = client.read(&mut [0; 64]);
                        }
                    }
                });
                std::thread::sleep(LONG / 3);
                spin_until("there are sessions", || watch.came.load(Ordering::SeqCst) > 0);
                match round {
                    0 => handle.stop(),
                    1 => handle.drain(Duration::from_millis(100)),
                    2 => handle.drain(PATIENCE),
                    _ => {
                        handle.drain(PATIENCE);
                        handle.stop();
                    }
                }
                // The other threads go on while the server ends.
                std::thread::sleep(Duration::from_millis(20));
                wait(server);
                over.store(true, Ordering::SeqCst);
            });
            assert_eq!((handle.sessions(), group.len()), (0, 0), "{backend}, round {round}");
            let (came, gone) = (watch.came.load(Ordering::SeqCst), watch.gone.load(Ordering::SeqCst));
            let (stats, closed) = (handle.stats(), handle.stats().closings().map(|(_, count)| count).sum::<u64>());
            assert!(came > 0);
            assert_eq!((came, gone), (stats.accepted as usize, closed as usize), "{backend}, round {round}");
            assert_eq!(came, gone, "{backend}, round {round}");
        }
    }
}

/// A member receives exactly what the same thread broadcasts between its join and its leave, while
/// another member comes and goes.
#[test]
fn a_member_receives_exactly_what_is_broadcast_between_its_join_and_its_leave() {
    for backend in backends() {
        let (watch, group) = (Watch::default(), Group::new());
        let server = builder(backend, 2).start(watch.clone()).unwrap();
        let (handle, address) = (server.handle(), address_of(&server));
        let mut clients: Vec<TcpStream> = (0..2).map(|_| connect(address)).collect();
        spin_until("both clients are sessions", || watch.came.load(Ordering::SeqCst) == 2);
        let ids = watch.ids.lock().unwrap().clone();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (over, group, handle, other) = (&over, &group, &handle, ids[1]);
            // The other shard gets its first member and loses it, again and again.
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let _ = handle.join(other, group);
                    let _ = handle.leave(other, group);
                }
            });
            let mut sent = Vec::new();
            for round in rounds().take(20_000) {
                // The other thread may have filled the mailbox.
                spin_until("there is room for a join", || handle.join(ids[0], group).is_ok());
                let number = round as u32;
                group.broadcast(&number.to_be_bytes()).unwrap();
                spin_until("there is room for a leave", || handle.leave(ids[0], group).is_ok());
                group.broadcast(&u32::MAX.to_be_bytes()).unwrap();
                sent.push(number);
            }
            over.store(true, Ordering::SeqCst);
            for id in [ids[0], other] {
                spin_until("there is room for a close", || handle.close(id).is_ok());
            }
            // It is not known which of the two clients has which id.
            let mut received: Vec<Vec<u8>> = Vec::new();
            for client in &mut clients {
                let mut bytes = Vec::new();
                match client.read_to_end(&mut bytes) {
                    Ok(_) => {}
                    Err(error) => assert_ne!(error.kind(), ErrorKind::WouldBlock, "no end"),
                }
                received.push(bytes);
            }
            let expected: Vec<u8> = sent.iter().flat_map(|number| number.to_be_bytes()).collect();
            assert!(received.contains(&expected), "{backend}: {} bytes, not {received:?}", expected.len());
        });
        in_time("the drop ends", move || drop(server));
    }
}

/// The waker of a task, and the round that the waking thread has reached.
#[derive(Default)]
struct Place {
    waker: Mutex<Option<Waker>>,
    reached: AtomicUsize,
}

/// Wakes a task as soon as it waits or a moment before, while packets arrive and work is offloaded.
#[test]
fn a_task_that_is_woken_as_it_begins_to_wait_goes_on() {
    const ROUNDS: usize = 1000;
    for backend in backends() {
        let server = builder(backend, 2).offload_threads(2);
        let server = server.serve(|session| async move {
            let place = Arc::<Place>::default();
            let waking = Arc::clone(&place);
            let thread = std::thread::spawn(move || {
                for round in 1..=ROUNDS {
                    let mut waker = None;
                    spin_until("the task waits", || {
                        waker = waking.waker.lock().unwrap().take();
                        waker.is_some()
                    });
                    waking.reached.store(round, Ordering::SeqCst);
                    waker.unwrap().wake();
                }
            });
            let other = session.clone();
            let echo = async move {
                while let Some(packet) = other.next().await {
                    other.send(packet).await.unwrap();
                }
            };
            session.spawn(echo).unwrap();
            for round in 1..=ROUNDS {
                poll_fn(|context| {
                    if place.reached.load(Ordering::SeqCst) >= round {
                        return Poll::Ready(());
                    }
                    *place.waker.lock().unwrap() = Some(context.waker().clone());
                    Poll::Pending
                })
                .await;
                if round % 8 == 0 {
                    assert_eq!(session.offload(move || round).await, Ok(round));
                }
            }
            thread.join().unwrap();
            session.send(b"done").await.unwrap();
        });
        let server = server.unwrap();
        let clients: Vec<TcpStream> = (0..2).map(|_| connect(address_of(&server))).collect();
        for mut client in &clients {
            let (mut sent, mut received) = (0, Vec::new());
            while !received.ends_with(b"done") {
                if sent < 200 {
                    client.write_all(b"x").unwrap();
                    sent += 1;
                }
                let mut bytes = [0; 64];
                let count = read_once(client, &mut bytes).unwrap();
                assert!(count > 0, "{backend}: the stream ended before `done`");
                received.extend_from_slice(&bytes[..count]);
            }
        }
        drop(clients);
        in_time("the drop ends", move || drop(server));
    }
}
