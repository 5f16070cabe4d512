//! Names that are looked up as operations, in each of the four models.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use overlapped::driver::Wait;
use overlapped::engine::Status;
use overlapped::error::Action;
use overlapped::future::block_on;
use overlapped::routine::sleep_alertable;
use overlapped::{CompletionPort, Engine, ErrorKind, Event};

use crate::harness::PATIENCE;
use crate::harness::engine::*;

engine_rules! {
    a_look_up_ends_in_each_of_the_four_ways,
    localhost_leads_to_a_listener: "it has no names",
    what_cannot_be_found_is_an_error_with_its_name: "it has no names",
    a_simulated_network_has_no_names,
    what_is_no_host_and_port_is_refused_at_the_start,
    a_look_up_can_be_cancelled_and_has_a_time_limit: "it has no names",
    many_look_ups_end_once_each: "it has no names",
    an_engine_that_ends_ends_its_look_ups: "it has no names",
}

/// A name that no system finds, and that none asks a server for: a part of it is empty.
const NO_HOST: &str = "no..host:80";

fn a_look_up_ends_in_each_of_the_four_ways(engine: &Engine) {
    let expected: Vec<SocketAddr> = vec!["127.0.0.1:80".parse().unwrap()];
    let event = Event::new();
    let mut look_up = engine.lookup("127.0.0.1:80").event(&event).start().unwrap();
    assert!(event.wait(WAIT).unwrap());
    assert_eq!(look_up.result(Wait::Poll).unwrap(), expected);

    let told = Rc::new(RefCell::new(None));
    let here = Rc::clone(&told);
    engine.lookup("127.0.0.1:80").on_complete(move |found| *here.borrow_mut() = Some(found.unwrap())).unwrap();
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(told.take(), Some(expected.clone()));

    let port = CompletionPort::new(1, 4);
    engine.lookup("127.0.0.1:80").post_to(&port, 1, 2).unwrap();
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert_eq!((packet.key, packet.token, packet.action()), (1, 2, Some(Action::LookUp)));
    assert_eq!(packet.status(), Status::Succeeded);
    assert_eq!(packet.result::<Vec<SocketAddr>>().unwrap(), expected);

    let found = block_on(async { engine.lookup("[::1]:443").await }).unwrap().unwrap();
    assert_eq!(found, ["[::1]:443".parse::<SocketAddr>().unwrap()]);
}

fn localhost_leads_to_a_listener(engine: &Engine) {
    let (listener, address) = listen(engine);
    let port = address.ip().unwrap().port();
    let addresses = end(engine.lookup(format!("localhost:{port}")).start().unwrap()).unwrap();
    assert!(addresses.iter().all(|found| found.port() == port && found.ip().is_loopback()), "{addresses:?}");
    let found = addresses.into_iter().find(SocketAddr::is_ipv4).unwrap();
    let accept = listener.accept().start().unwrap();
    let socket = engine.socket(found, &Default::default()).unwrap();
    end(socket.connect(found).start().unwrap()).unwrap();
    end(accept).unwrap();
}

fn what_cannot_be_found_is_an_error_with_its_name(engine: &Engine) {
    let error = end(engine.lookup(NO_HOST).start().unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::NotFound, Action::LookUp));
    assert!(error.to_string().contains(NO_HOST), "{error}");
}

fn a_simulated_network_has_no_names(engine: &Engine) {
    if is_simulated(engine) {
        let error = end(engine.lookup("localhost:80").start().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

fn what_is_no_host_and_port_is_refused_at_the_start(engine: &Engine) {
    for text in ["", "localhost", ":80", "localhost:", "localhost:65536", "a host:80", "unix:/a/path", "[::1:80"] {
        let refused = engine.lookup(text).start().unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument, "{text}");
    }
}

fn a_look_up_can_be_cancelled_and_has_a_time_limit(engine: &Engine) {
    let mut cancelled = engine.lookup("localhost:80").start().unwrap();
    let kind = match cancelled.cancel() {
        true => cancelled.result(WAIT).err().map(|error| error.kind()),
        false => None,
    };
    assert!(matches!(kind, None | Some(ErrorKind::Cancelled)), "{kind:?}");
    // Its answer may be there before it has come to the driver, and the driver looks at the time.
    let late = end(engine.lookup("localhost:80").deadline(engine.now()).start().unwrap());
    assert!(late.err().is_none_or(|error| error.kind() == ErrorKind::TimedOut));
    assert!(end(engine.lookup("localhost:80").timeout(PATIENCE).start().unwrap()).is_ok());
    drop(engine.lookup("localhost:80").start().unwrap());
}

fn many_look_ups_end_once_each(engine: &Engine) {
    let port = CompletionPort::new(1, 256);
    for token in 0..200_u64 {
        let limit = if token % 2 == 0 { PATIENCE } else { Duration::from_micros(50 * token) };
        engine.lookup(format!("localhost:{token}")).timeout(limit).post_to(&port, 0, token).unwrap();
    }
    let mut ended = Vec::new();
    for _ in 0..200 {
        let mut packet = port.get(WAIT).unwrap().unwrap();
        ended.push(packet.token);
        match packet.result::<Vec<SocketAddr>>() {
            Ok(found) => assert_eq!(u64::from(found[0].port()), packet.token),
            Err(error) => assert!(error.kind() == ErrorKind::TimedOut && packet.token % 2 == 1, "{error}"),
        }
    }
    assert!(port.get(SHORT).unwrap().is_none());
    ended.sort_unstable();
    assert!(ended.into_iter().eq(0..200));
}

fn an_engine_that_ends_ends_its_look_ups(engine: Own) {
    let mut look_ups: Vec<_> = (0..50).map(|_| engine.lookup("localhost:80").start().unwrap()).collect();
    drop(engine);
    for look_up in &mut look_ups {
        let kind = look_up.result(Wait::Poll).err().map(|error| error.kind());
        assert!(matches!(kind, None | Some(ErrorKind::Cancelled)), "{kind:?}");
    }
}
