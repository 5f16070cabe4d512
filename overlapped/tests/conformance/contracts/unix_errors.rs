//! Errors of Unix sockets: paths that cannot be bound or connected to, options of TCP, and sends
//! that nobody will read.

use std::path::PathBuf;

use overlapped::options::ListenOptions;
use overlapped::{Address, Error, ErrorKind, Op};

use super::options::{names, of_tcp};
use super::{errors, unix};
use crate::harness::peers::Transport;
use crate::harness::place::On;

rules! {
    a_path_that_is_too_long_is_refused_with_its_limit: "it has no Unix sockets",
    an_abstract_name_is_refused_by_name: "it has no Unix sockets",
    an_unnamed_address_is_refused_by_name: "it has no Unix sockets",
    a_path_of_the_greatest_length_is_listened_on: "it has no Unix sockets",
    a_missing_directory_is_not_found: "it has no Unix sockets",
    a_connect_to_another_family_says_so: "it has no Unix sockets",
    options_of_tcp_are_refused_by_name: "it has no Unix sockets",
    a_send_after_its_own_shutdown_is_shut_down: "it has no Unix sockets",
    a_send_to_a_peer_that_has_gone_is_reset: "it has no Unix sockets",
    a_send_behind_one_that_was_cancelled_half_way_says_so: "it has no Unix sockets",
    a_send_on_a_socket_that_was_never_connected_is_not_connected: "it has no Unix sockets",
}

/// The longest path that fits into the system's address, before a zero.
const MOST: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The errors of listening at an address, of making a socket for it, and of connecting to it.
fn errors_of(on: &On, address: &Address) -> [Error; 2] {
    let mut bench = on.bench();
    let listen = bench.driver.listen(address, &Default::default()).unwrap_err();
    let socket = bench.driver.socket(PathBuf::from("/tmp/x")).unwrap();
    let connect = bench.driver.submit(Op::connect(socket, address), 0).unwrap_err();
    bench.close(socket);
    bench.finish();
    [listen, connect.error]
}

fn a_path_that_is_too_long_is_refused_with_its_limit(on: &On) {
    for length in [MOST + 1, 5000] {
        let path = format!("/tmp/{}", "x".repeat(length - 5));
        let address: Address = PathBuf::from(&path).into();
        for error in errors_of(on, &address) {
            assert_eq!((error.kind(), error.address()), (ErrorKind::InvalidArgument, Some(&address)), "{error}");
            for text in [&path, &format!("{length} bytes"), &format!("at most {MOST}")] {
                assert!(error.to_string().contains(text), "{text:?} is not in {error}");
            }
        }
    }
}

fn a_path_of_the_greatest_length_is_listened_on(on: &On) {
    let mut bench = on.bench();
    let directory = std::env::temp_dir().join(format!("overlapped-long-{}-{}", std::process::id(), on.name()));
    std::fs::create_dir_all(&directory).unwrap();
    let name = "x".repeat(MOST - directory.as_os_str().len() - 1);
    let address: Address = directory.join(name).into();
    let listener = bench.driver.listen(&address, &Default::default()).unwrap();
    let (peer, _) = bench.connect(&address);
    drop(peer);
    bench.close(listener);
    std::fs::remove_dir_all(directory).unwrap();
    bench.finish();
}

fn an_abstract_name_is_refused_by_name(on: &On) {
    for path in ["\0name", "/tmp/a\0b"] {
        for error in errors_of(on, &PathBuf::from(path).into()) {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            let text = error.to_string();
            assert!(text.contains(&path.replace('\0', "\\0")) && !text.contains('\0'), "{text}");
            assert!(text.contains(if path.starts_with('\0') { "abstract" } else { "zero byte" }), "{text}");
        }
    }
}

fn an_unnamed_address_is_refused_by_name(on: &On) {
    for address in [Address::Unnamed, PathBuf::new().into()] {
        for error in errors_of(on, &address) {
            assert_eq!((error.kind(), error.address()), (ErrorKind::InvalidArgument, Some(&address)), "{error}");
        }
    }
}

fn a_missing_directory_is_not_found(on: &On) {
    let mut bench = on.bench();
    let address: Address = PathBuf::from("/tmp/no-such-directory/socket").into();
    let listen = bench.driver.listen(&address, &Default::default()).unwrap_err();
    let socket = bench.driver.socket(&address).unwrap();
    let connect = bench.submit(Op::connect(socket, &address));
    for error in [listen, bench.outcome_of(connect).unwrap_err()] {
        assert_eq!((error.kind(), error.address()), (ErrorKind::NotFound, Some(&address)), "{error}");
        assert_eq!(error.os_code(), Some(libc::ENOENT));
    }
    bench.close(socket);
    bench.finish();
}

fn a_connect_to_another_family_says_so(on: &On) {
    let mut bench = on.bench();
    let (path, ip): (Address, Address) = (PathBuf::from("/tmp/x").into(), "127.0.0.1:9".parse().unwrap());
    for (own, other) in [(&path, &ip), (&ip, &path)] {
        let socket = bench.driver.socket(own).unwrap();
        let connect = bench.submit(Op::connect(socket, other));
        let error = bench.outcome_of(connect).unwrap_err();
        assert_eq!((error.kind(), error.address()), (ErrorKind::InvalidArgument, Some(other)), "{error}");
        assert!(error.to_string().contains("family"), "{error}");
        bench.close(socket);
    }
    bench.finish();
}

fn options_of_tcp_are_refused_by_name(on: &On) {
    let mut bench = on.over(Transport::Unix).bench();
    let (socket, _peer) = bench.pair();
    let place = unix::Place::new();
    for (options, name) in of_tcp() {
        names(&bench.driver.set_options(socket, &options).unwrap_err(), ErrorKind::InvalidArgument, &[name, "TCP"]);
        let error = bench.driver.listen(place.address(), &ListenOptions::new().stream(options)).unwrap_err();
        names(&error, ErrorKind::InvalidArgument, &[name, "TCP", &place.address().to_string()]);
        assert!(!place.path().exists(), "nothing was bound");
    }
    bench.close(socket);
    bench.finish();
}

fn a_send_after_its_own_shutdown_is_shut_down(on: &On) {
    errors::a_send_after_its_own_shutdown_is_shut_down(&on.over(Transport::Unix));
}

fn a_send_to_a_peer_that_has_gone_is_reset(on: &On) {
    errors::a_send_to_a_peer_that_has_gone_is_reset(&on.over(Transport::Unix));
}

fn a_send_behind_one_that_was_cancelled_half_way_says_so(on: &On) {
    errors::a_send_behind_one_that_was_cancelled_half_way_says_so(&on.over(Transport::Unix));
}

fn a_send_on_a_socket_that_was_never_connected_is_not_connected(on: &On) {
    let mut bench = on.bench();
    let socket = bench.driver.socket(PathBuf::from("/tmp/x")).unwrap();
    let send = bench.submit(Op::send(socket, b"to whom".to_vec()));
    assert_eq!(bench.kind_of(send), ErrorKind::NotConnected);
    bench.close(socket);
    bench.finish();
}
