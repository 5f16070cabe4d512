//! Unix sockets of the standard library, and what becomes of a listener's path.

use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use overlapped::options::{ListenOptions, StreamOptions};
use overlapped::{ErrorKind, Op, Outcome, sockopt};

use super::unix::Place;
use crate::harness::place::On;

rules! {
    a_listener_is_adopted_and_its_path_is_left: "it has no Unix sockets",
    a_listener_that_is_given_away_keeps_its_path: "it has no Unix sockets",
    the_path_stays_as_long_as_a_duplicate_of_the_listener: "it has no Unix sockets",
    a_connection_is_given_to_the_standard_library: "it has no Unix sockets",
    a_socket_is_bound_to_a_path_before_it_connects: "it has no Unix sockets",
    options_of_ip_sockets_are_refused_by_name: "it has no Unix sockets",
}

fn a_listener_is_adopted_and_its_path_is_left(on: &On) {
    let path = Place::new();
    let mut bench = on.bench();
    let listener = bench.driver.adopt(UnixListener::bind(&path.0).unwrap().into()).unwrap();
    let accept = bench.submit(Op::accept(listener));
    let _client = UnixStream::connect(&path.0).unwrap();
    assert!(matches!(bench.outcome_of(accept), Ok(Outcome::Accepted(..))));
    bench.close(listener);
    assert!(path.0.exists());
    bench.finish();
}

fn a_listener_that_is_given_away_keeps_its_path(on: &On) {
    let path = Place::new();
    let mut bench = on.bench();
    let listener = bench.driver.listen(path.0.as_path(), &Default::default()).unwrap();
    let accept = bench.submit(Op::accept(listener));
    let client = UnixStream::connect(&path.0).unwrap();
    assert!(matches!(bench.outcome_of(accept), Ok(Outcome::Accepted(..))));
    drop(client);
    // While it is only on its way, the path is still the listener's own.
    let stream = bench.driver.release(listener).unwrap();
    assert!(path.0.exists());
    let listener = bench.driver.adopt(stream).unwrap();
    let listener = UnixListener::try_from(bench.driver.release(listener).unwrap()).unwrap();
    let accepting = std::thread::spawn(move || listener.accept().map(drop).unwrap());
    std::thread::sleep(Duration::from_millis(10));
    drop(UnixStream::connect(&path.0).unwrap());
    accepting.join().unwrap();
    assert!(path.0.exists());
    bench.finish();
}

fn the_path_stays_as_long_as_a_duplicate_of_the_listener(on: &On) {
    let path = Place::new();
    let mut bench = on.bench();
    let listener = bench.driver.listen(path.0.as_path(), &Default::default()).unwrap();
    let duplicate = bench.driver.duplicate(listener).unwrap();
    bench.close(listener);
    assert!(path.0.exists());
    let listener = bench.driver.adopt(duplicate).unwrap();
    let accept = bench.submit(Op::accept(listener));
    let _client = UnixStream::connect(&path.0).unwrap();
    assert!(matches!(bench.outcome_of(accept), Ok(Outcome::Accepted(..))));
    bench.close(listener);
    assert!(!path.0.exists());
    bench.finish();
}

fn a_connection_is_given_to_the_standard_library(on: &On) {
    let (ours, peer) = UnixStream::pair().unwrap();
    let mut bench = on.bench();
    let socket = bench.driver.adopt(ours.into()).unwrap();
    let send = bench.submit(Op::send(socket, b"first"));
    assert!(bench.outcome_of(send).is_ok());
    let ours = UnixStream::try_from(bench.driver.release(socket).unwrap()).unwrap();
    std::io::Write::write_all(&mut &ours, b"second").unwrap();
    let mut both = [0; 11];
    std::io::Read::read_exact(&mut &peer, &mut both).unwrap();
    assert_eq!(&both, b"firstsecond");
    bench.finish();
}

fn a_socket_is_bound_to_a_path_before_it_connects(on: &On) {
    let (path, own) = (Place::new(), Place::new());
    let mut bench = on.bench();
    let listener = bench.driver.listen(path.0.as_path(), &Default::default()).unwrap();
    let socket = bench.driver.socket(path.0.as_path()).unwrap();
    bench.driver.bind(socket, own.0.as_path()).unwrap();
    let accept = bench.submit(Op::accept(listener));
    let connect = bench.submit(Op::connect(socket, path.0.as_path()));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    let Ok(Outcome::Accepted(_, peer)) = bench.outcome_of(accept) else { panic!("it accepts") };
    assert_eq!(peer.path(), Some(own.0.as_path()));
    bench.close(socket);
    assert!(own.0.exists(), "the program removes it");
    bench.close(listener);
    bench.finish();
}

fn options_of_ip_sockets_are_refused_by_name(on: &On) {
    let path = Place::new();
    let mut bench = on.bench();
    let minute = Duration::from_secs(60);
    for (name, options) in [
        ("keep_alive", StreamOptions::new().keep_alive(minute)),
        ("user_timeout", StreamOptions::new().user_timeout(minute)),
        ("keep_alive_interval", StreamOptions::new().keep_alive_interval(minute)),
        ("keep_alive_probes", StreamOptions::new().keep_alive_probes(3)),
        ("bind_address_no_port", StreamOptions::new().bind_address_no_port(true)),
        ("ttl", StreamOptions::new().ttl(3)),
        ("tos", StreamOptions::new().tos(3)),
    ] {
        let listening = ListenOptions::new().stream(options.clone());
        let error = bench.driver.listen(path.0.as_path(), &listening).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(&format!(": {name} ")), "{error}");
        assert!(error.to_string().contains("this is a Unix socket"), "{error}");
        let socket = bench.driver.socket("unix:/nowhere").unwrap();
        assert_eq!(bench.driver.set_options(socket, &options).unwrap_err().kind(), ErrorKind::InvalidArgument);
        bench.close(socket);
    }
    assert!(!path.0.exists());
    let socket = bench.driver.socket("unix:/nowhere").unwrap();
    assert_eq!(bench.driver.set_option(socket, sockopt::TTL, 3).unwrap_err().kind(), ErrorKind::Unsupported);
    bench.driver.set_options(socket, &StreamOptions::new().send_buffer(50_000)).unwrap();
    assert!(bench.driver.option(socket, sockopt::SEND_BUFFER).unwrap() >= 50_000);
    bench.close(socket);
    bench.finish();
}
