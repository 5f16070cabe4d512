//! The peer provides the services that it is compared for.

use peer_cli::Service;

const PROGRAM: &str = env!("CARGO_BIN_EXE_peer-tungstenite");

#[test]
fn websocket() {
    peer_trial::peer_serves(Service::WebSocket, PROGRAM, &[]);
}

#[test]
fn websocket_chat() {
    peer_trial::peer_serves(Service::WebSocketChat, PROGRAM, &[]);
}
