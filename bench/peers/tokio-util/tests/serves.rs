//! The peer provides the services that it is compared for.

use peer_cli::Service;

const PROGRAM: &str = env!("CARGO_BIN_EXE_peer-tokio-util");

#[test]
fn framed() {
    peer_trial::peer_serves(Service::Framed, PROGRAM, &[]);
    peer_trial::peer_serves(Service::Framed, PROGRAM, &["--flush", "packet"]);
}

#[test]
fn chat() {
    peer_trial::peer_serves(Service::Chat, PROGRAM, &[]);
    peer_trial::peer_serves(Service::Chat, PROGRAM, &["--flush", "packet"]);
}
