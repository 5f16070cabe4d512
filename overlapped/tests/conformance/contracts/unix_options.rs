//! Options that a Unix socket cannot have are refused by name, before anything is done.

use overlapped::ErrorKind;
use overlapped::error::Action;
use overlapped::options::{ListenOptions, StreamOptions};

use super::unix::Place;
use crate::harness::place::On;

rules! {
    a_port_of_a_unix_socket_cannot_be_shared: "it has no Unix sockets",
}

fn a_port_of_a_unix_socket_cannot_be_shared(on: &On) {
    let (mut bench, place) = (on.bench(), Place::new());
    let error = bench.driver.listen(place.address(), &ListenOptions::new().reuse_port(true)).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::InvalidArgument, Action::Option), "{error}");
    assert!(error.to_string().contains("reuse_port true"), "{error}");
    assert!(!place.path().exists(), "nothing was bound");
    let socket = bench.driver.socket(place.address()).unwrap();
    for (name, options) in [
        ("reuse_port", StreamOptions::new().reuse_port(true)),
        ("reuse_address", StreamOptions::new().reuse_address(true)),
    ] {
        let error = bench.driver.set_options(socket, &options).unwrap_err();
        assert_eq!((error.kind(), error.action()), (ErrorKind::InvalidArgument, Action::Option), "{error}");
        assert!(error.to_string().contains(&format!("{name} true")), "{error}");
    }
    bench.close(socket);
    bench.finish();
}
