//! Trials for every contestant, over real connections: it serves its services however the bytes are
//! split, and a client that never reads does not make its memory grow.
//!
//! A trial panics when a contestant fails; each peer's tests call the trials. The program does the
//! same with any command: `peer-trial SERVICE PROGRAM ARGUMENTS..`.

mod chat;
mod client;
mod echo;
mod framed;
mod http;
mod server;
mod tls;
mod websocket;

use peer_cli::Service;

use crate::server::Server;

/// Starts `program` with these arguments and tries the service on it. For TLS it is also given a
/// certificate.
pub fn serves(service: Service, program: &str, arguments: &[&str]) {
    if service == Service::Tls {
        return tls::serves(program, arguments);
    }
    let server = Server::start(program, arguments);
    match service {
        Service::Echo | Service::Stream => echo::tried(&server),
        Service::Framed => framed::tried(&server),
        Service::Chat => chat::tried(&server),
        Service::Http => http::tried(&server),
        Service::WebSocket => websocket::echo_tried(&server),
        Service::WebSocketChat => websocket::chat_tried(&server),
        Service::Tls => unreachable!("it is started with a certificate"),
    }
}

/// The same for a peer of this workspace, with `extra` options.
pub fn peer_serves(service: Service, program: &str, extra: &[&str]) {
    let arguments = [&[service.name(), "--listen", "127.0.0.1:0"], extra].concat();
    serves(service, program, &arguments);
}
