//! Options that cannot be set are refused by name and with their value, the same on every backend.

use std::time::Duration;

use overlapped::error::Action;
use overlapped::options::{DatagramOptions, ListenOptions, StreamOptions};
use overlapped::{Error, ErrorKind};

use crate::harness::place::On;

rules! {
    values_that_no_system_takes_are_refused_by_name,
    a_listener_names_the_option_and_not_a_wrong_address,
    a_user_timeout_is_set_or_refused_by_name,
    datagram_sockets_take_buffers_and_refuse_the_rest_by_name: "it has no datagrams",
    datagram_sockets_refuse_buffers_that_no_system_takes: "it has no datagrams",
    unset_options_can_be_set_on_every_socket,
}

const SECOND: Duration = Duration::from_secs(1);

/// Options that no socket takes, and what their errors have to say.
fn wrong() -> Vec<(StreamOptions, [&'static str; 2])> {
    let new = StreamOptions::new;
    let mut wrong = vec![
        (new().keep_alive(Duration::ZERO), ["keep_alive", "0ns"]),
        (new().keep_alive(Duration::from_millis(999)), ["keep_alive", "999ms"]),
        (new().keep_alive(40_000 * SECOND), ["keep_alive", "40000s"]),
        (new().user_timeout(Duration::ZERO), ["TCP_USER_TIMEOUT", "0ns"]),
        (new().user_timeout(3_000_000 * SECOND), ["TCP_USER_TIMEOUT", "3000000s"]),
    ];
    if let Ok(large) = usize::try_from(1u64 << 32) {
        wrong.push((new().receive_buffer(large), ["receive_buffer", "4294967296"]));
        wrong.push((new().send_buffer(large), ["send_buffer", "4294967296"]));
    }
    wrong
}

/// Checks an error of an option that was refused.
pub(super) fn names(error: &Error, kind: ErrorKind, texts: &[&str]) {
    assert_eq!((error.kind(), error.action()), (kind, Action::Option), "{error}");
    for text in texts {
        assert!(error.to_string().contains(text), "{text:?} is not in {error}");
    }
}

fn values_that_no_system_takes_are_refused_by_name(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    for (options, texts) in wrong() {
        names(&bench.driver.set_options(socket, &options).unwrap_err(), ErrorKind::InvalidArgument, &texts);
    }
    bench.close(socket);
    bench.finish();
}

fn a_listener_names_the_option_and_not_a_wrong_address(on: &On) {
    let mut bench = on.bench();
    for (options, texts) in wrong() {
        let listening = ListenOptions::new().stream(options);
        let error = bench.driver.listen("127.0.0.1:0", &listening).unwrap_err();
        names(&error, ErrorKind::InvalidArgument, &texts);
        assert!(error.to_string().starts_with("could not read or set a socket option of 127.0.0.1:0: "), "{error}");
    }
    bench.finish();
}

fn a_user_timeout_is_set_or_refused_by_name(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let set = bench.driver.set_options(socket, &StreamOptions::new().user_timeout(5 * SECOND));
    if cfg!(target_os = "linux") || on.is_simulated() {
        set.unwrap();
    } else {
        names(&set.unwrap_err(), ErrorKind::Unsupported, &["TCP_USER_TIMEOUT", "5s"]);
    }
    bench.close(socket);
    bench.finish();
}

fn datagram_sockets_take_buffers_and_refuse_the_rest_by_name(on: &On) {
    let mut bench = on.bench();
    let socket = bench.driver.datagram("127.0.0.1:0", &DatagramOptions::new()).unwrap();
    let buffers = StreamOptions::new().receive_buffer(50_000).send_buffer(40_000);
    bench.driver.set_options(socket, &buffers).unwrap();
    for (options, name) in of_tcp() {
        names(&bench.driver.set_options(socket, &options).unwrap_err(), ErrorKind::InvalidArgument, &[name, "TCP"]);
    }
    bench.close(socket);
    bench.finish();
}

/// Options of TCP connections alone, and their names.
pub(super) fn of_tcp() -> [(StreamOptions, &'static str); 4] {
    let new = StreamOptions::new;
    [
        (new().nodelay(true), "nodelay true"),
        (new().nodelay(false), "nodelay false"),
        (new().keep_alive(60 * SECOND), "keep_alive 60s"),
        (new().user_timeout(5 * SECOND), "user_timeout 5s"),
    ]
}

fn datagram_sockets_refuse_buffers_that_no_system_takes(on: &On) {
    let mut bench = on.bench();
    if let Ok(large) = usize::try_from(1u64 << 32) {
        let options = DatagramOptions::new().receive_buffer(large);
        let error = bench.driver.datagram("127.0.0.1:0", &options).unwrap_err();
        names(&error, ErrorKind::InvalidArgument, &["receive_buffer", "4294967296"]);
    }
    bench.finish();
}

fn unset_options_can_be_set_on_every_socket(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let (listener, address) = bench.listen();
    let fresh = bench.driver.socket(address).unwrap();
    for socket in [socket, listener, fresh] {
        bench.driver.set_options(socket, &StreamOptions::new()).unwrap();
    }
    if !on.is_simulated() {
        let datagrams = bench.driver.datagram("[::1]:0", &DatagramOptions::new()).unwrap();
        bench.driver.set_options(datagrams, &StreamOptions::new()).unwrap();
        bench.close(datagrams);
    }
    for socket in [socket, listener, fresh] {
        bench.close(socket);
    }
    bench.finish();
}
