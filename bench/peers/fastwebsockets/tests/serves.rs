//! The peer provides the service that it is compared for.

use peer_cli::Service;

#[test]
fn websocket() {
    peer_trial::peer_serves(Service::WebSocket, env!("CARGO_BIN_EXE_peer-fastwebsockets"), &[]);
}
