//! The peer provides the services that it is compared for.

use peer_cli::Service;

const PROGRAM: &str = env!("CARGO_BIN_EXE_peer-port");

#[test]
fn echo() {
    peer_trial::peer_serves(Service::Echo, PROGRAM, &[]);
}

#[test]
fn echo_on_a_threaded_engine() {
    peer_trial::peer_serves(Service::Echo, PROGRAM, &["--threads", "1"]);
    peer_trial::peer_serves(Service::Echo, PROGRAM, &["--threads", "2"]);
}
