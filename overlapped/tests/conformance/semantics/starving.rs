//! A program that always finds something else to do still gets its input and its timers.
//!
//! Only a local engine could starve: nothing but its thread's waits turns it. A threaded engine
//! runs the same rules; how many waits it takes there is the scheduler's affair.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use overlapped::driver::Wait;
use overlapped::event::wait_any;
use overlapped::future::block_on;
use overlapped::routine::{RoutineQueue, sleep_alertable};
use overlapped::{CompletionPort, Event, WaitSet};

use crate::harness::PATIENCE;
use crate::harness::engine::*;

/// Waits that are satisfied at once, between two turns of a local engine.
const MOST_WAITS: usize = 16;
/// Turns that an operation needs to start and to end, with some to spare.
const TURNS: usize = 4;

engine_rules! {
    a_packet_that_posts_itself_does_not_starve_input,
    a_routine_that_queues_itself_does_not_starve_input,
    an_event_that_is_always_set_does_not_starve_input,
    a_member_that_is_always_set_does_not_starve_input,
    a_future_that_always_wakes_itself_does_not_starve_input,
    results_that_are_always_there_do_not_starve_input,
    timers_end_although_there_is_always_something_else: "the simulated clock stands still while a program is busy",
}

/// Waits again and again, until `step` says that the input has come.
fn stay_busy(own: &Own, mut step: impl FnMut() -> bool) {
    let (mut waits, end) = (1, Instant::now() + PATIENCE);
    while !step() {
        waits += 1;
        assert!(Instant::now() < end, "it starves: nothing has come in {waits} waits");
    }
    if let Own::Local(_) = own {
        assert!(waits <= TURNS * MOST_WAITS, "it came only after {waits} waits");
    }
}

fn a_packet_that_posts_itself_does_not_starve_input(own: Own) {
    const POSTED: usize = 1;
    const INPUT: usize = 2;
    let (socket, peer) = pair(&own);
    let port = CompletionPort::new(1, 8);
    socket.associate(&port, INPUT).unwrap();
    write(&peer, b"x");
    await_input(&socket, 1);
    socket.recv(vec![0; 8]).to_port(0).unwrap();
    port.post(POSTED, 0).unwrap();
    stay_busy(&own, || match port.get(Wait::Forever).unwrap().unwrap().key {
        POSTED => {
            port.post(POSTED, 0).unwrap();
            false
        }
        _ => true,
    });
    drop((socket, peer));
    finish(&own);
}

fn a_routine_that_queues_itself_does_not_starve_input(own: Own) {
    fn again(queue: &RoutineQueue) {
        let next = queue.clone();
        queue.queue(move || again(&next)).unwrap();
    }
    let (socket, peer) = pair(&own);
    write(&peer, b"x");
    await_input(&socket, 1);
    let came = Rc::new(Cell::new(false));
    let comes = Rc::clone(&came);
    socket.recv(vec![0; 8]).on_complete(move |_| comes.set(true)).unwrap();
    again(&RoutineQueue::of_this_thread().unwrap());
    stay_busy(&own, || {
        sleep_alertable(Wait::Forever).unwrap();
        came.get()
    });
    drop((socket, peer));
    finish(&own);
}

fn an_event_that_is_always_set_does_not_starve_input(own: Own) {
    let (socket, peer) = pair(&own);
    write(&peer, b"x");
    await_input(&socket, 1);
    let (input, set) = (Event::new(), Event::new());
    set.set();
    let mut receive = socket.recv(vec![0; 8]).event(&input).start().unwrap();
    stay_busy(&own, || wait_any(&[&input, &set], Wait::Forever).unwrap() == Some(0));
    assert_eq!(receive.result(Wait::Poll).unwrap().buf, b"x");
    drop((socket, peer));
    finish(&own);
}

fn a_member_that_is_always_set_does_not_starve_input(own: Own) {
    let (socket, peer) = pair(&own);
    write(&peer, b"x");
    await_input(&socket, 1);
    let (input, set, members) = (Event::new(), Event::new(), WaitSet::new(2));
    set.set();
    let number = members.add(&input).unwrap();
    members.add(&set).unwrap();
    let mut receive = socket.recv(vec![0; 8]).event(&input).start().unwrap();
    let mut signalled = Vec::new();
    stay_busy(&own, || members.wait(Wait::Forever, &mut signalled).unwrap() && signalled.contains(&number));
    assert_eq!(receive.result(Wait::Poll).unwrap().buf, b"x");
    drop((socket, peer));
    finish(&own);
}

/// The receive has a waker that does nothing: only the future's own waker makes it go on.
fn a_future_that_always_wakes_itself_does_not_starve_input(own: Own) {
    let (socket, peer) = pair(&own);
    write(&peer, b"x");
    await_input(&socket, 1);
    let mut receive = Box::pin(async move { socket.recv(vec![0; 8]).await });
    let mut polls = 0;
    let end = Instant::now() + PATIENCE;
    let received = block_on(poll_fn(|context| {
        polls += 1;
        if let Poll::Ready(received) = receive.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Poll::Ready(Some(received));
        }
        context.waker().wake_by_ref();
        if Instant::now() < end { Poll::Pending } else { Poll::Ready(None) }
    }));
    assert_eq!(received.unwrap().expect("it starves").unwrap().buf, b"x");
    if let Own::Local(_) = own {
        assert!(polls <= TURNS * MOST_WAITS, "it came only after {polls} polls");
    }
    drop((receive, peer));
    finish(&own);
}

/// A result that has ended already is there at once, however long the wait for it may be.
fn results_that_are_always_there_do_not_starve_input(own: Own) {
    let (socket, peer) = pair(&own);
    let ended: Vec<_> = (0..TURNS * MOST_WAITS).map(|_| own.sleep(Duration::ZERO).start().unwrap()).collect();
    until("all have ended", || ended.iter().all(|sleep| sleep.has_ended()));
    write(&peer, b"x");
    await_input(&socket, 1);
    let receive = socket.recv(vec![0; 8]).start().unwrap();
    for mut sleep in ended {
        sleep.result(Wait::Forever).unwrap();
    }
    if let Own::Local(_) = own {
        assert!(receive.has_ended(), "it starves");
    }
    assert_eq!(end(receive).unwrap().buf, b"x");
    drop((socket, peer));
    finish(&own);
}

fn timers_end_although_there_is_always_something_else(own: Own) {
    const TIMER: Duration = Duration::from_millis(20);
    let (timer, set) = (Event::new(), Event::new());
    set.set();
    let mut sleep = own.sleep(TIMER).event(&timer).start().unwrap();
    let due = Instant::now() + TIMER;
    let mut waits = 0;
    while wait_any(&[&timer, &set], Wait::Forever).unwrap() == Some(1) {
        waits += usize::from(Instant::now() > due);
        assert!(Instant::now() < due + PATIENCE, "it starves");
    }
    sleep.result(Wait::Poll).unwrap();
    if let Own::Local(_) = own {
        assert!(waits <= TURNS * MOST_WAITS, "it ended only {waits} waits after it was due");
    }
    finish(&own);
}
