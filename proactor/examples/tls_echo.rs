//! Echoes lines over TLS to clients that show a certificate, and greets them by what they show.
//!
//! ```text
//! cargo run -p proactor --features tls --example tls_echo -- \
//!     127.0.0.1:7443 server.pem server.key clients-ca.pem
//! openssl s_client -connect 127.0.0.1:7443 -CAfile ca.pem -cert client.pem -key client.key -quiet
//! ```
//!
//! `kill -HUP` has it read the files again. Sessions that are there go on with what they have.

use std::io::Write;
use std::process::ExitCode;

use proactor::codec::Lines;
use proactor::tls::{Tls, TlsConfig};
use proactor::{CloseReason, Flow, Handler, Listener, NoMessage, Server, Session, SessionId, Signals};

#[derive(Clone)]
struct Echo;

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;

    /// The handshake is over: what it has agreed on is known.
    fn connected(&mut self, session: &Session) {
        if let Some(tls) = session.tls() {
            let protocol = tls.protocol().map_or("none".into(), String::from_utf8_lossy);
            let own = tls.certificates().first().map_or(0, |certificate| certificate.len());
            let greeting = format!("{}, protocol {protocol}, a certificate of {own} bytes", tls.version());
            let _ = session.send(greeting.as_bytes());
        }
    }

    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        session.send(line).map_or(Flow::Close, |()| Flow::Continue)
    }

    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        // A stream that is cut is no end: what came may be half of what was meant.
        if *reason == CloseReason::Truncated {
            say(&format!("{id:?}: {reason}"));
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, certificate, key, client_ca] = arguments.as_slice() else {
        say("usage: tls_echo ADDRESS CERTIFICATE KEY CLIENT-CA");
        return ExitCode::from(2);
    };
    let config = TlsConfig::new().certificate(certificate, key).client_ca(client_ca).protocols(["lines"]);
    match serve(address, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str, config: TlsConfig) -> Result<(), Box<dyn std::error::Error>> {
    let tls = Tls::new(config)?;
    let reloaded = tls.clone();
    let signals = Signals::new()?.on_hang_up(move || match reloaded.reload() {
        Ok(()) => say("new sessions use the new certificates"),
        Err(error) => say(&format!("the old certificates stay in use: {error}")),
    });
    let server = Server::builder().codec(Lines::new()).listen(Listener::new(address).tls(&tls)).start(Echo)?;
    say(&format!("listening on {}", server.local_addrs()[0]));
    Ok(server.run_until(signals)?)
}

/// To a reader that has gone, nothing is said.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
