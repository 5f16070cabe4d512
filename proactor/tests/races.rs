//! What other threads do at the very moment at which a server starts, takes a session, closes one, or ends: each round acts as soon as it can be seen that something
//! has begun, so that it falls into the middle of it.

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig};
use proactor::codec::{Codec, Decoded, FrameError, Raw};
use proactor::{Builder, CloseReason, ConnectError, Flow, Group, Handler, Server, ServerError, Session, SessionId};

const PATIENCE: Duration = Duration::from_secs(30);
/// How long a test goes on.
const LONG: Duration = Duration::from_millis(700);

fn backends() -> Vec<Backend> {
    let works = |backend: &Backend| Driver::new(DriverConfig::new().backend(*backend)).is_ok();
    Backend::of_this_system().iter().copied().filter(works).collect()
}

fn rounds() -> impl Iterator<Item = usize> {
    let end = Instant::now() + LONG;
    (0..).take_while(move |round| *round < 3 || Instant::now() < end)
}

fn builder(backend: Backend, shards: usize) -> Builder {
    Server::builder().bind("127.0.0.1:0").backend(Some(backend)).shards(shards)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn spin_until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    for spins in 1_u32.. {
        if reached() {
            return;
        }
        std::hint::spin_loop();
        // Where there are fewer cores than threads, whom it waits for has to have one too.
        if spins.is_multiple_of(1000) {
            std::thread::yield_now();
            assert!(Instant::now() < end, "never: {what}");
        }
    }
}

/// Does what may not take for ever, and says so if it does.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(work()));
    told.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn wait(server: Server) {
    in_time("the server ends", move || server.wait()).unwrap();
}

/// Says who has come and gone, and what became of outbound connections.
#[derive(Clone, Default)]
struct Watch {
    room: Option<Group>,
    ids: Arc<Mutex<Vec<SessionId>>>,
    came: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

impl Handler for Watch {
    type State = ();

    fn connected(&mut self, session: &Session) {
        if let Some(room) = &self.room {
            session.join(room).unwrap();
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

/// A drain sends what is queued: what its caller sent before it is.
#[test]
fn what_was_sent_before_a_drain_is_delivered() {
    for backend in backends() {
        for round in rounds() {
            let watch = Watch::default();
            let server = builder(backend, 1 + round % 2).start(watch.clone()).unwrap();
            let handle = server.handle();
            let mut client = connect(server.local_addrs()[0].ip().unwrap());
            spin_until("it is a session", || watch.came.load(Ordering::SeqCst) == 1);
            let id = watch.ids.lock().unwrap()[0];
            handle.send(id, &b"good"[..]).unwrap();
            handle.send(id, &b"bye"[..]).unwrap();
            handle.drain(PATIENCE);
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).unwrap();
            assert_eq!(heard, b"goodbye", "{backend}, round {round}");
            drop(client);
            wait(server);
        }
    }
}

/// The same for who became a member, and what was broadcast, before.
#[test]
fn what_was_broadcast_before_a_drain_is_delivered_to_whom_was_joined_before() {
    for backend in backends() {
        for round in rounds() {
            let (watch, room) = (Watch::default(), Group::new());
            let server = builder(backend, 1 + round % 2).start(watch.clone()).unwrap();
            let handle = server.handle();
            let mut client = connect(server.local_addrs()[0].ip().unwrap());
            spin_until("it is a session", || watch.came.load(Ordering::SeqCst) == 1);
            let id = watch.ids.lock().unwrap()[0];
            handle.join(id, &room).unwrap();
            room.broadcast(b"good").unwrap();
            handle.send(id, &b"bye"[..]).unwrap();
            handle.drain(PATIENCE);
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).unwrap();
            assert_eq!(heard, b"goodbye", "{backend}, round {round}");
            drop(client);
            wait(server);
            assert_eq!(room.len(), 0);
        }
    }
}

/// What was asked for and not refused is answered: by a session, or by word that there is none.
#[test]
fn every_connect_that_was_taken_is_answered_whenever_the_server_ends() {
    for backend in backends() {
        for round in rounds() {
            let watch = Watch::default();
            let server = builder(backend, 2).start(watch.clone()).unwrap();
            let (handle, address) = (server.handle(), server.local_addrs()[0].ip().unwrap());
            // To itself, or to nobody.
            let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let target = if round % 4 < 2 { address } else { nobody };
            let asking = Arc::new(AtomicBool::new(false));
            let askers: Vec<JoinHandle<usize>> = (0..4)
                .map(|_| {
                    let (handle, asking) = (handle.clone(), Arc::clone(&asking));
                    std::thread::spawn(move || {
                        let mut taken = 0;
                        // More than 200 at once would only take time.
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
            spin_until("it is asked for", || asking.load(Ordering::SeqCst));
            match round % 2 {
                0 => handle.stop(),
                _ => handle.drain(Duration::from_millis(50)),
            }
            wait(server);
            let taken: usize = askers.into_iter().map(|asker| asker.join().unwrap()).sum();
            let stats = handle.stats();
            assert_eq!(stats.outbound, 0, "{backend}, round {round}: a place is not given back");
            let (connected, failed) = (stats.connected as usize, watch.failed.load(Ordering::SeqCst));
            assert_eq!(connected + failed, taken, "{backend}, round {round}: {connected} and {failed}");
            assert_eq!(stats.connects_failed as usize, failed);
        }
    }
}

/// A codec that cannot be copied on one thread.
#[derive(Debug)]
struct Fragile(&'static str);

impl Clone for Fragile {
    fn clone(&self) -> Fragile {
        assert_ne!(std::thread::current().name(), Some(self.0), "it is asked to panic here");
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
fn a_shard_that_is_lost_before_it_has_come_fails_the_start() {
    for name in ["shard-0", "shard-1", "shard-2"] {
        let started = in_time("the start ends", move || {
            Server::builder().bind("127.0.0.1:0").shards(3).codec(Fragile(name)).start(Watch::default()).map(drop)
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
            // Someone who stands in the backlog, or not.
            let client = (round % 2 == 0).then(|| connect(server.local_addrs()[0].ip().unwrap()));
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

/// Ends a server from several threads at once, while it serves.
#[test]
fn whatever_other_threads_ask_of_sessions_that_come_and_go_nothing_is_left_behind() {
    for backend in backends() {
        for round in 0..4 {
            let room = Group::new();
            let watch = Watch { room: (round % 2 == 0).then(|| room.clone()), ..Watch::default() };
            let server = builder(backend, 2).start(watch.clone()).unwrap();
            let (handle, address) = (server.handle(), server.local_addrs()[0].ip().unwrap());
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let (watch, over, room, handle) = (&watch, &over, &room, &handle);
                for worker in 0..2 {
                    // Acts on each session as soon as it is named.
                    scope.spawn(move || {
                        let mut seen = 0;
                        while !over.load(Ordering::SeqCst) {
                            let Some(id) = watch.ids.lock().unwrap().get(seen).copied() else {
                                std::hint::spin_loop();
                                continue;
                            };
                            seen += 1;
                            // The server may have ended by now.
                            let _ = handle.join(id, room);
                            let _ = room.broadcast(b"news");
                            let _ = handle.send(id, &b"mail"[..]);
                            if (seen + worker).is_multiple_of(3) {
                                let _ = handle.leave(id, room);
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
                match round {
                    0 => handle.stop(),
                    1 => handle.drain(Duration::from_millis(100)),
                    2 => handle.drain(PATIENCE),
                    _ => {
                        handle.drain(PATIENCE);
                        handle.stop();
                    }
                }
                // Told while it ends.
                std::thread::sleep(Duration::from_millis(20));
                wait(server);
                over.store(true, Ordering::SeqCst);
            });
            assert_eq!((handle.sessions(), room.len()), (0, 0), "{backend}, round {round}");
            let (came, gone) = (watch.came.load(Ordering::SeqCst), watch.gone.load(Ordering::SeqCst));
            let (stats, closed) = (handle.stats(), handle.stats().closings().map(|(_, count)| count).sum::<u64>());
            assert!(came > 0);
            assert_eq!((came, gone), (stats.accepted as usize, closed as usize), "{backend}, round {round}");
            assert_eq!(came, gone, "{backend}, round {round}");
        }
    }
}

/// Each member hears what is broadcast between its join and its leave, by the same thread, whoever else comes and goes at that moment.
#[test]
fn a_member_by_mail_hears_exactly_what_is_broadcast_while_it_is_one() {
    for backend in backends() {
        let (watch, room) = (Watch::default(), Group::new());
        let server = builder(backend, 2).start(watch.clone()).unwrap();
        let (handle, address) = (server.handle(), server.local_addrs()[0].ip().unwrap());
        let mut clients: Vec<TcpStream> = (0..2).map(|_| connect(address)).collect();
        spin_until("they are sessions", || watch.came.load(Ordering::SeqCst) == 2);
        let ids = watch.ids.lock().unwrap().clone();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (over, room, handle, other) = (&over, &room, &handle, ids[1]);
            // The room comes and goes on its shard, and on the other there is one at times.
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let _ = handle.join(other, room);
                    let _ = handle.leave(other, room);
                }
            });
            let mut sent = Vec::new();
            for round in rounds().take(20_000) {
                // The other may fill the mailbox.
                spin_until("there is room for a join", || handle.join(ids[0], room).is_ok());
                let number = round as u32;
                room.broadcast(&number.to_be_bytes()).unwrap();
                spin_until("there is room for a leave", || handle.leave(ids[0], room).is_ok());
                room.broadcast(&u32::MAX.to_be_bytes()).unwrap();
                sent.push(number);
            }
            over.store(true, Ordering::SeqCst);
            for id in [ids[0], other] {
                spin_until("there is room for a close", || handle.close(id).is_ok());
            }
            // Which of the two it is, its peer knows.
            let mut heard: Vec<Vec<u8>> = Vec::new();
            for client in &mut clients {
                let mut bytes = Vec::new();
                match client.read_to_end(&mut bytes) {
                    Ok(_) => {}
                    Err(error) => assert_ne!(error.kind(), ErrorKind::WouldBlock, "no end"),
                }
                heard.push(bytes);
            }
            let expected: Vec<u8> = sent.iter().flat_map(|number| number.to_be_bytes()).collect();
            assert!(heard.contains(&expected), "{backend}: {} bytes, not {heard:?}", expected.len());
        });
        in_time("the drop ends", move || drop(server));
    }
}

/// Where a task leaves its waker, and what it waits for.
#[derive(Default)]
struct Place {
    waker: Mutex<Option<Waker>>,
    reached: AtomicUsize,
}

/// Wakers that act as soon as the task waits, or a moment before it does; on two shards, beside packets that come meanwhile and work on other threads.
#[test]
fn a_task_that_other_threads_wake_in_the_moment_in_which_it_begins_to_wait_goes_on() {
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
        let clients: Vec<TcpStream> = (0..2).map(|_| connect(server.local_addrs()[0].ip().unwrap())).collect();
        for mut client in &clients {
            let (mut sent, mut heard) = (0, Vec::new());
            while !heard.ends_with(b"done") {
                if sent < 200 {
                    client.write_all(b"x").unwrap();
                    sent += 1;
                }
                let mut bytes = [0; 64];
                let count = match client.read(&mut bytes) {
                    // A ring that this thread has had is being taken down.
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    read => read.unwrap(),
                };
                assert!(count > 0, "{backend}: the end before the last word");
                heard.extend_from_slice(&bytes[..count]);
            }
        }
        drop(clients);
        in_time("the drop ends", move || drop(server));
    }
}
