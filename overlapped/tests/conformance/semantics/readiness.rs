//! Waits for readiness, in each of the four models.

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use overlapped::driver::Wait;
use overlapped::engine::Status;
use overlapped::error::Action;
use overlapped::future::block_on;
use overlapped::routine::sleep_alertable;
use overlapped::{CompletionPort, Engine, ErrorKind, Event};

use crate::harness::engine::*;

engine_rules! {
    a_wait_ends_in_each_of_the_four_ways: "it has no descriptors",
    the_last_handle_ends_the_waits: "it has no descriptors",
    a_simulated_network_refuses_by_name,
}

fn a_wait_ends_in_each_of_the_four_ways(engine: &Engine) {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let watched = engine.watch(&reader).unwrap();
    let again = |reader: &mut std::io::PipeReader| reader.read_exact(&mut [0]).unwrap();

    let event = Event::new();
    let mut wait = watched.readable().event(&event).start().unwrap();
    assert!(!event.wait(SHORT).unwrap());
    writer.write_all(b"x").unwrap();
    assert!(event.wait(WAIT).unwrap());
    wait.result(Wait::Poll).unwrap();
    again(&mut reader);

    let told = Rc::new(Cell::new(false));
    let here = Rc::clone(&told);
    watched.readable().on_complete(move |ready| here.set(ready.is_ok())).unwrap();
    writer.write_all(b"x").unwrap();
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert!(told.get());
    again(&mut reader);

    let port = CompletionPort::new(1, 4);
    watched.associate(&port, 5).unwrap();
    watched.readable().to_port(6).unwrap();
    writer.write_all(b"x").unwrap();
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert_eq!((packet.key, packet.token, packet.action()), (5, 6, Some(Action::Readiness)));
    assert_eq!(packet.status(), Status::Succeeded);
    packet.result::<()>().unwrap();
    again(&mut reader);

    let late = block_on(async { watched.readable().timeout(Duration::from_millis(5)).await }).unwrap();
    assert_eq!(late.unwrap_err().error.kind(), ErrorKind::TimedOut);
    writer.write_all(b"x").unwrap();
    block_on(async { watched.readable().await }).unwrap().unwrap();
}

fn the_last_handle_ends_the_waits(engine: &Engine) {
    let (reader, _writer) = std::io::pipe().unwrap();
    let watched = engine.watch(&reader).unwrap();
    let mut waits = [watched.readable().start().unwrap(), watched.readable().start().unwrap()];
    settle(engine);
    assert_eq!(watched.clone().cancel_all(), 2);
    let mut last = watched.readable().start().unwrap();
    drop(watched);
    for wait in waits.iter_mut().chain([&mut last]) {
        assert_eq!(wait.result(WAIT).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}

fn a_simulated_network_refuses_by_name(engine: &Engine) {
    if is_simulated(engine) {
        let (reader, _writer) = std::io::pipe().unwrap();
        assert_eq!(engine.watch(&reader).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
