//! Tries a service on any command.

use std::env;

use peer_cli::Service;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [service, program, arguments @ ..] = arguments.as_slice() else {
        panic!("usage: peer-trial SERVICE PROGRAM ARGUMENTS..");
    };
    let service = Service::named(service)
        .expect("the service is echo, stream, framed, chat, http, websocket, websocket-chat or tls");
    peer_trial::serves(service, program, arguments);
    println!("serves {}", service.name());
}
