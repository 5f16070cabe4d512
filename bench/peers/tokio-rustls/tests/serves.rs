//! The peer provides the services that it is compared for.

use peer_cli::Service;

const PROGRAM: &str = env!("CARGO_BIN_EXE_peer-tokio-rustls");

#[test]
fn tls() {
    peer_trial::peer_serves(Service::Tls, PROGRAM, &[]);
}

#[test]
fn tls_with_a_longer_buffer() {
    peer_trial::peer_serves(Service::Tls, PROGRAM, &["--buffer", "65536"]);
}
