//! `proactor proxy`: passes on what it receives, both ways, between each client and a connection of its own to the upstream.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use proactor::{ConnectError, Flow, Handler, Origin, Session, Target};

use crate::backend;
use crate::serving::{Serving, life};

const LONG_ABOUT: &str = concat!(
    "Connects each client to an upstream, and passes on what either sends.\n\nA client is read from once its upstream is there; while one of the \
     two does not take what is sent to it, the other is not read from. The end of one's stream ends the other's, and the opposite way goes \
     on. If one resets its connection the other's is reset, and so is a client's whose upstream cannot be reached. Rates and time-outs hold for \
     both: --byte-rate is of each way, and a pair is closed when one of the two is idle or takes nothing for too long.\n\n",
    life!("proxy")
);

const EXAMPLES: &str = "Examples:\n  proactor proxy --upstream 127.0.0.1:8080\n  proactor proxy --listen 0.0.0.0:80 --upstream \
                        backend.internal:8080 --connect-timeout 2s\n  proactor proxy --listen '[::]:5432' --upstream \
                        unix:/run/postgresql/.s.PGSQL.5432\n  proactor proxy --upstream 127.0.0.1:8080 --max-sessions-per-ip 100 --idle-timeout 5m";

/// Connects each client to an upstream, and passes on what either sends.
#[derive(Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = format!("{EXAMPLES}\n\n{}", backend::ENVIRONMENT)
)]
pub(crate) struct Proxy {
    /// What to connect to, as `backend.internal:8080`, `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/backend.sock`. A name is looked up for every client; of its
    /// addresses the first to answer is taken.
    #[arg(long, value_name = "HOST:PORT")]
    upstream: Target,
    /// How long connecting to the upstream may take, its name's look-up included, as 500ms or 10s.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    connect_timeout: Duration,
    #[command(flatten)]
    serving: Serving,
}

#[derive(Clone)]
struct Passing {
    upstream: Target,
    /// It could not be reached the last time: said once, not for every client.
    is_down: Arc<AtomicBool>,
}

impl Handler for Passing {
    type State = ();

    fn connected(&mut self, session: &Session) {
        match session.origin() {
            Origin::Connected { opener: Some(client), .. } => {
                if self.is_down.swap(false, Ordering::Relaxed) {
                    tracing::warn!("{} is reached again", self.upstream);
                }
                match session.sibling(client) {
                    Some(client) if client.pair(session).is_ok() => client.resume(),
                    _ => session.abort(),
                }
            }
            _ => {
                session.pause();
                if let Err(error) = session.connect(self.upstream.clone(), 0) {
                    self.connect_failed(Some(session), 0, &error);
                }
            }
        }
    }

    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        // A client waits for its upstream, and what comes from a pair is passed on without this.
        Flow::Close
    }

    fn connect_failed(&mut self, client: Option<&Session>, _: u64, error: &ConnectError) {
        // A client that has gone says nothing of the upstream.
        let Some(client) = client else { return };
        if !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!("{error}; until it is reached again every client is reset");
        }
        client.abort();
    }
}

impl Proxy {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        // Its own descriptor and its upstream's.
        let sessions = self.serving.sessions(2)?;
        let builder = self.serving.builder(sessions).max_outbound(sessions).connect_timeout(self.connect_timeout);
        let more = format!(" to {}", self.upstream);
        let passing = Passing { upstream: self.upstream, is_down: Arc::default() };
        self.serving.run("proxy", &more, builder, passing)
    }
}
