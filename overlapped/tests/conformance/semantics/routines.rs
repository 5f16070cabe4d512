//! Completion routines.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc;

use overlapped::driver::Wait;
use overlapped::routine::{RoutineQueue, Woken, sleep_alertable, wait_alertable};
use overlapped::{CompletionPort, Engine, ErrorKind, Event, WaitSet};

use crate::harness::engine::*;
use crate::harness::tracked::*;
use crate::harness::*;

engine_rules! {
    routines_run_only_in_alertable_waits_of_the_thread_that_started_them: "another thread waits too",
    a_wait_runs_all_queued_routines_in_the_order_in_which_operations_ended,
    an_alertable_wait_ends_for_an_event_or_for_time: "another thread sets the event",
    routines_are_never_nested_and_a_wait_runs_only_those_queued_before,
    a_routine_can_drop_its_own_socket,
    a_routine_that_panics_is_contained,
    any_thread_can_queue_a_routine: "another thread queues them",
    an_alertable_sleep_that_nothing_can_end_is_an_error,
    a_refused_start_runs_no_routine_and_gives_the_buffer_back,
    cancelling_by_id_runs_the_routine_once_with_cancelled,
    one_socket_can_use_all_four_models,
}

fn routines_run_only_in_alertable_waits_of_the_thread_that_started_them(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let ran = Rc::new(Cell::new(None));
    let told = Rc::clone(&ran);
    socket
        .recv(vec![0; 8])
        .on_complete(move |received| told.set(Some((std::thread::current().id(), received.unwrap().buf))))
        .unwrap();
    write(&peer, b"abc");
    // It ends while this thread waits, but not alertably, and other threads wait alertably.
    until("the receive has ended", || engine.live().operations == 0);
    std::thread::scope(|scope| drop(scope.spawn(|| sleep_alertable(SHORT).unwrap())));
    assert!(ran.take().is_none());
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(ran.take(), Some((std::thread::current().id(), b"abc".to_vec())));
}

fn a_wait_runs_all_queued_routines_in_the_order_in_which_operations_ended(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let order = Rc::new(RefCell::new(Vec::new()));
    for i in 0..5 {
        let order = Rc::clone(&order);
        socket.recv(vec![0; 1]).on_complete(move |_| order.borrow_mut().push(i)).unwrap();
    }
    write(&peer, b"abcde");
    until("all have ended", || engine.live().operations == 0);
    let signalled = Event::new();
    signalled.set();
    assert_eq!(
        wait_alertable(&[&signalled], Wait::Forever).unwrap(),
        Woken::Routines(5),
        "routines come before the event"
    );
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
    assert_eq!(wait_alertable(&[&signalled], Wait::Forever).unwrap(), Woken::Event(0));
}

fn an_alertable_wait_ends_for_an_event_or_for_time(engine: &Engine) {
    let event = Event::new();
    assert_eq!(wait_alertable(&[&event], SHORT).unwrap(), Woken::TimedOut);
    assert_eq!(sleep_alertable(SHORT).unwrap(), 0);
    assert_eq!(sleep_alertable(Wait::Poll).unwrap(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| event.set());
        assert_eq!(wait_alertable(&[&event], WAIT).unwrap(), Woken::Event(0));
    });
    let (set, mut signalled) = (WaitSet::new(2), Vec::new());
    set.add(&event).unwrap();
    assert_eq!(set.wait_alertable(WAIT, &mut signalled).unwrap(), Woken::Event(0));
    let queue = RoutineQueue::of_this_thread().unwrap();
    queue.queue(|| {}).unwrap();
    assert_eq!(set.wait_alertable(WAIT, &mut signalled).unwrap(), Woken::Routines(1));
    assert_eq!(wait_alertable(&[], SHORT).unwrap_err().kind(), ErrorKind::InvalidArgument);
    settle(engine);
}

/// A routine starts the next receive, whose data has already come. Its routine runs in a later
/// wait.
fn routines_are_never_nested_and_a_wait_runs_only_those_queued_before(engine: &Engine) {
    let (socket, peer) = pair(engine);
    write(&peer, b"ab");
    let (depth, ran) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let socket = Rc::new(socket);
    let (inner_depth, inner_ran, next) = (Rc::clone(&depth), Rc::clone(&ran), Rc::clone(&socket));
    let engine_again = engine.clone();
    socket
        .recv(vec![0; 1])
        .on_complete(move |_| {
            inner_depth.set(1);
            let (depth, ran) = (Rc::clone(&inner_depth), Rc::clone(&inner_ran));
            next.recv(vec![0; 1])
                .on_complete(move |_| {
                    assert_eq!(depth.get(), 0, "inside another routine");
                    ran.set(ran.get() + 1);
                })
                .unwrap();
            // A routine may wait, also alertably; no other routine runs in that wait.
            until("the next has ended", || engine_again.live().operations == 0);
            assert_eq!(sleep_alertable(SHORT).unwrap(), 0);
            inner_ran.set(inner_ran.get() + 1);
            inner_depth.set(0);
        })
        .unwrap();
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(ran.get(), 1);
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(ran.get(), 2);
}

fn a_routine_can_drop_its_own_socket(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let place = Rc::new(RefCell::new(Some(socket)));
    let inside = Rc::clone(&place);
    let held = place.borrow().clone().unwrap();
    held.recv(vec![0; 8])
        .on_complete(move |received| {
            drop(received);
            inside.borrow_mut().take();
        })
        .unwrap();
    drop(held);
    write(&peer, b"x");
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert!(place.borrow().is_none());
}

fn a_routine_that_panics_is_contained(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let ran = Rc::new(Cell::new(false));
    let told = Rc::clone(&ran);
    socket.recv(vec![0; 1]).on_complete(|_| panic!("on purpose")).unwrap();
    socket.recv(vec![0; 1]).on_complete(move |_| told.set(true)).unwrap();
    write(&peer, b"ab");
    while !ran.get() {
        assert!(sleep_alertable(WAIT).unwrap() > 0);
    }
}

fn any_thread_can_queue_a_routine(engine: &Engine) {
    thread_local!(static RAN: Cell<usize> = const { Cell::new(0) });
    let queue = RoutineQueue::of_this_thread().unwrap();
    std::thread::spawn(move || (0..10).for_each(|_| queue.queue(|| RAN.set(RAN.get() + 1)).unwrap()));
    while RAN.get() < 10 {
        assert!(sleep_alertable(WAIT).unwrap() > 0);
    }
    settle(engine);
}

fn an_alertable_sleep_that_nothing_can_end_is_an_error(engine: &Engine) {
    settle(engine);
    std::thread::spawn(|| {
        assert_eq!(sleep_alertable(Wait::Forever).unwrap_err().kind(), ErrorKind::WouldDeadlock);
    })
    .join()
    .unwrap();
    // A routine could still be queued, but none runs inside another.
    let queue = RoutineQueue::of_this_thread().unwrap();
    let within = Rc::new(Cell::new(None));
    let tell = Rc::clone(&within);
    let timer = engine.sleep(std::time::Duration::ZERO);
    timer.on_complete(move |_| tell.set(sleep_alertable(Wait::Forever).err())).unwrap();
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(within.take().unwrap().kind(), ErrorKind::WouldDeadlock);
    drop(queue);
}

fn a_refused_start_runs_no_routine_and_gives_the_buffer_back(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    end(socket.close(overlapped::driver::CloseMode::Now).start().unwrap()).unwrap();
    let (tell, told) = mpsc::channel();
    let kept = Dropped(tell);
    let refused = socket.recv(b"kept".to_vec()).on_complete(move |_| drop(kept)).unwrap_err();
    assert_eq!((refused.error.kind(), &refused.given[..]), (ErrorKind::Closed, &b"kept"[..]));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), std::thread::current().id());
    assert_eq!(sleep_alertable(SHORT).unwrap(), 0);
}

fn cancelling_by_id_runs_the_routine_once_with_cancelled(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&seen);
    let id = socket
        .recv(b"mine".to_vec())
        .on_complete(move |received| {
            let failed = received.unwrap_err();
            told.borrow_mut().push((failed.error.kind(), failed.given));
        })
        .unwrap();
    assert!(engine.cancel(id));
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(*seen.borrow(), [(ErrorKind::Cancelled, b"mine".to_vec())]);
    assert!(!engine.cancel(id));
}

#[test]
fn a_routine_queue_of_a_thread_that_has_ended_is_closed() {
    let queue = std::thread::spawn(|| RoutineQueue::of_this_thread().unwrap()).join().unwrap();
    assert_eq!(queue.queue(|| unreachable!()).unwrap_err().kind(), ErrorKind::Closed);
}

/// All four models on one thread and one socket.
fn one_socket_can_use_all_four_models(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let port = CompletionPort::new(1, 8);
    socket.associate(&port, 3).unwrap();
    let event = Event::new();
    let first = socket.recv(vec![0; 1]).event(&event).start().unwrap();
    let routine = Rc::new(Cell::new(0));
    let told = Rc::clone(&routine);
    socket.recv(vec![0; 1]).on_complete(move |received| told.set(received.unwrap().buf[0])).unwrap();
    socket.recv(vec![0; 1]).to_port(4).unwrap();
    let last = socket.recv(vec![0; 1]).start().unwrap();
    write(&peer, b"abcd");
    assert_eq!(overlapped::future::block_on(last).unwrap().unwrap().buf, b"d");
    assert!(event.wait(WAIT).unwrap());
    assert_eq!(end(first).unwrap().buf, b"a");
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(routine.get(), b'b');
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert_eq!(packet.result::<overlapped::engine::Received<Vec<u8>>>().unwrap().buf, b"c");
}
