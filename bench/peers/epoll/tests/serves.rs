//! The peer provides the services that it is compared for.

use peer_cli::Service;

const PROGRAM: &str = env!("CARGO_BIN_EXE_peer-epoll");

#[test]
fn echo() {
    peer_trial::peer_serves(Service::Echo, PROGRAM, &[]);
}

#[test]
fn stream() {
    peer_trial::peer_serves(Service::Stream, PROGRAM, &[]);
}
