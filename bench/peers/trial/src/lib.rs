//! What every contestant has to do, tried over real connections: that it serves what it says, however the bytes are
//! cut, and that one who never reads does not make its memory grow.
//!
//! The trials panic where a contestant falls short: each peer's tests call them. The program of this package does the
//! same with any command: `peer-trial SERVICE PROGRAM ARGUMENTS..`.

mod chat;
mod client;
mod echo;
mod framed;
mod http;
mod server;

use peer_cli::Service;

use crate::server::Server;

/// Starts `program` with these arguments and tries the service on it.
pub fn serves(service: Service, program: &str, arguments: &[&str]) {
    let server = Server::start(program, arguments);
    match service {
        Service::Echo => echo::tried(&server),
        Service::Framed => framed::tried(&server),
        Service::Chat => chat::tried(&server),
        Service::Http => http::tried(&server),
    }
}

/// The same for a peer of this workspace, with `extra` options.
pub fn peer_serves(service: Service, program: &str, extra: &[&str]) {
    let arguments = [&[service.name(), "--listen", "127.0.0.1:0"], extra].concat();
    serves(service, program, &arguments);
}
