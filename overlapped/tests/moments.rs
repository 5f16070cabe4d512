//! Races between threads: one acts in the moment in which another begins or ends a wait, or an
//! operation starts or ends. Each round acts as soon as it sees that something has happened. A lost
//! wake-up makes the test fail by its time limit.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use overlapped::driver::Wait;
use overlapped::future::block_on;
use overlapped::mailbox::mailbox;
use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig, Engine, ErrorKind, Event};

const PATIENCE: Duration = Duration::from_secs(60);
const WAIT: Wait = Wait::For(PATIENCE);
/// How long a test runs.
const LONG: Duration = Duration::from_millis(700);

fn config(backend: Backend) -> DriverConfig {
    DriverConfig::new().backend(backend)
}

fn backends() -> Vec<Backend> {
    let backends = Backend::of_this_system().iter().copied();
    backends.filter(|backend| Driver::new(config(*backend)).is_ok()).collect()
}

fn engines() -> impl Iterator<Item = Engine> {
    backends().into_iter().map(|backend| Engine::builder().backend(backend).build().unwrap())
}

fn rounds() -> impl Iterator<Item = u64> {
    let end = Instant::now() + LONG;
    (1..).take_while(move |_| Instant::now() < end)
}

fn spin_until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    for spins in 1_u32.. {
        if reached() {
            return;
        }
        std::hint::spin_loop();
        // With fewer cores than threads, the other thread must get a core too.
        if spins.is_multiple_of(1000) {
            std::thread::yield_now();
            assert!(Instant::now() < end, "never: {what}");
        }
    }
}

/// Runs `work`, and fails if it does not end in time.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(work()));
    told.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"))
}

#[test]
fn mail_that_arrives_right_after_the_last_was_taken_ends_the_next_wait() {
    for backend in backends() {
        let (tell, told) = mpsc::channel();
        let taken = Arc::new(AtomicU64::new(0));
        let takes = Arc::clone(&taken);
        let reader = std::thread::spawn(move || {
            let mut driver = Driver::new(config(backend)).unwrap();
            let (sender, mut mail) = mailbox::<u64>(1, driver.wake_handle());
            tell.send(sender).unwrap();
            loop {
                driver.turn(WAIT).unwrap();
                for number in mail.take() {
                    if number == 0 {
                        return;
                    }
                    takes.store(number, Ordering::Release);
                }
            }
        });
        let sender = told.recv_timeout(PATIENCE).unwrap();
        for round in rounds() {
            sender.send(round).unwrap();
            spin_until("it is taken", || taken.load(Ordering::Acquire) == round);
        }
        sender.send(0).unwrap();
        reader.join().unwrap();
    }
}

#[test]
fn operations_of_another_thread_end_whenever_they_are_started() {
    for engine in engines() {
        for _ in rounds() {
            engine.sleep(Duration::ZERO).start().unwrap().result(WAIT).unwrap();
            let mut started = engine.sleep(Duration::ZERO).start().unwrap();
            spin_until("it ends", || started.has_ended());
            started.result(Wait::Poll).unwrap();
        }
    }
}

#[test]
fn an_operation_that_is_cancelled_right_after_its_start_ends() {
    for engine in engines() {
        let (name, names) = mpsc::channel();
        let canceller = {
            let engine = engine.clone();
            std::thread::spawn(move || names.into_iter().for_each(|id| _ = engine.cancel(id)))
        };
        for round in rounds() {
            let mut sleep = engine.sleep(PATIENCE * 2).start().unwrap();
            name.send(sleep.id()).unwrap();
            if round % 2 == 0 {
                assert_eq!(sleep.result(WAIT).unwrap_err().kind(), ErrorKind::Cancelled);
            } else {
                let ended = in_time("the future is ready", move || block_on(sleep).unwrap());
                assert_eq!(ended.unwrap_err().error.kind(), ErrorKind::Cancelled);
            }
        }
        drop(name);
        canceller.join().unwrap();
    }
}

#[test]
fn an_engine_dropped_while_other_threads_start_operations_ends_them() {
    for backend in backends() {
        for _ in rounds() {
            let engine = Engine::builder().backend(backend).build().unwrap();
            let listener = engine.listen("127.0.0.1:0", &Default::default()).unwrap();
            let starts = Arc::new(AtomicU64::new(0));
            let starter = {
                let starts = Arc::clone(&starts);
                std::thread::spawn(move || {
                    loop {
                        let mut accept = match listener.accept().start() {
                            Ok(accept) => accept,
                            Err(refused) => return refused.error.kind(),
                        };
                        starts.fetch_add(1, Ordering::SeqCst);
                        if accept
                            .result(Wait::For(Duration::from_micros(100)))
                            .is_err_and(|error| error.kind() != ErrorKind::Incomplete)
                        {
                            continue;
                        }
                        accept.cancel();
                        assert_eq!(accept.result(WAIT).unwrap_err().kind(), ErrorKind::Cancelled);
                    }
                })
            };
            spin_until("it has begun", || starts.load(Ordering::SeqCst) > 0);
            in_time("the drop ends", move || drop(engine));
            assert_eq!(starter.join().unwrap(), ErrorKind::Closed);
        }
    }
}

/// A thread that sees the end of an operation may use its event for the next one.
#[test]
fn an_event_is_not_signalled_by_its_previous_operation() {
    for engine in engines() {
        let over = Arc::new(AtomicU64::new(0));
        // Other threads use other events, all under the same lock, which delays a thread that sets
        // one.
        let others: Vec<_> = (0..2)
            .map(|_| {
                let over = Arc::clone(&over);
                std::thread::spawn(move || {
                    let event = Event::new();
                    while over.load(Ordering::Relaxed) == 0 {
                        event.set();
                        event.reset();
                    }
                })
            })
            .collect();
        for round in rounds() {
            let event = Event::new();
            let mut first = engine.sleep(Duration::ZERO).event(&event).start().unwrap();
            spin_until("it ends", || first.has_ended());
            first.result(Wait::Poll).unwrap();
            let second = engine.sleep(PATIENCE).event(&event).start().unwrap();
            for _ in 0..100 {
                assert!(!event.is_signalled() || second.has_ended(), "in round {round}");
            }
        }
        over.store(1, Ordering::Relaxed);
        others.into_iter().for_each(|other| other.join().unwrap());
    }
}

/// A future that another thread wakes as soon as it sees the future wait.
fn woken_by_another_thread(rounds: u64) -> impl Future<Output = ()> {
    let place: Arc<(Mutex<Option<Waker>>, AtomicU64)> = Arc::default();
    let waking = Arc::clone(&place);
    std::thread::spawn(move || {
        for round in 1..=rounds {
            let mut waker = None;
            spin_until("it waits", || {
                waker = waking.0.lock().unwrap().take();
                waker.is_some()
            });
            waking.1.store(round, Ordering::SeqCst);
            waker.unwrap().wake();
        }
    });
    async move {
        for round in 1..=rounds {
            poll_fn(|context| {
                if place.1.load(Ordering::SeqCst) >= round {
                    return Poll::Ready(());
                }
                *place.0.lock().unwrap() = Some(context.waker().clone());
                // It may have been woken for the round before, between the check and this.
                if place.1.load(Ordering::SeqCst) >= round { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }
}

#[test]
fn block_on_is_woken_by_other_threads() {
    in_time("it is woken", || block_on(woken_by_another_thread(20_000)).unwrap());
    for backend in backends() {
        in_time("it is woken with a local engine", move || {
            let _local = Engine::builder().backend(backend).local().unwrap();
            block_on(woken_by_another_thread(20_000)).unwrap();
        });
    }
}

/// The thread's way of waiting changes while the future runs.
#[test]
fn a_local_engine_can_be_made_and_dropped_within_block_on() {
    for backend in backends() {
        in_time("it is woken", move || {
            block_on(async {
                for _ in 0..3 {
                    woken_by_another_thread(10).await;
                    let local = Engine::builder().backend(backend).local().unwrap();
                    woken_by_another_thread(10).await;
                    local.sleep(Duration::from_millis(1)).await.unwrap();
                    woken_by_another_thread(10).await;
                    drop(local);
                }
            })
            .unwrap();
        });
    }
}
