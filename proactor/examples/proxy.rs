//! A proxy: each client is connected to an upstream, and what either sends is passed on to the
//! other.
//!
//! ```sh
//! python3 -m http.server 8080 &
//! cargo run -p proactor --example proxy -- 127.0.0.1:7777 localhost:8080
//! curl http://127.0.0.1:7777/
//! ```

use std::error::Error;
use std::io::{Write, stderr, stdout};

use proactor::{ConnectError, Flow, Handler, Origin, Server, Session, Signals, Target};

#[derive(Clone)]
struct Proxy {
    upstream: Target,
}

impl Handler for Proxy {
    type State = ();

    fn connected(&mut self, session: &Session) {
        match session.origin() {
            // A connection that a client waits for.
            Origin::Connected { opener: Some(client), .. } => match session.sibling(client) {
                Some(client) if client.pair(session).is_ok() => client.resume(),
                _ => session.abort(),
            },
            // A client: what it sends waits for its upstream.
            _ => {
                session.pause();
                if let Err(error) = session.connect(self.upstream.clone(), 0) {
                    let _ = writeln!(stderr(), "{error}");
                    session.abort();
                }
            }
        }
    }

    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        // Not called: a session is paused, or paired.
        Flow::Close
    }

    fn connect_failed(&mut self, client: Option<&Session>, _: u64, error: &ConnectError) {
        let _ = writeln!(stderr(), "{error}");
        if let Some(client) = client {
            client.abort();
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream] = arguments.as_slice() else {
        return Err("usage: proxy LISTEN UPSTREAM, as 127.0.0.1:7777 localhost:8080".into());
    };
    let signals = Signals::new()?;
    let server = Server::builder().listen(listen.as_str()).start(Proxy { upstream: upstream.parse()? })?;
    let _ = writeln!(stdout(), "{} to {upstream}, on {}", server.local_addrs()[0], server.report().backend);
    Ok(server.run_until(signals)?)
}
