//! `proactor echo`: sends back what it receives.

use std::error::Error;

use clap::Args;
use proactor::{Flow, Handler, Session};

use crate::backend;
use crate::serving::{Serving, life};

const LONG_ABOUT: &str = concat!("Sends back to every client what it sends.\n\n", life!("echo"));

const EXAMPLES: &str = "Examples:\n  proactor echo\n  proactor echo --listen 0.0.0.0:7 --listen '[::]:7' --shards 2\n  proactor echo --listen \
                        127.0.0.1:0      # a free port; the line on standard error says which\n  proactor echo --listen \
                        unix:/run/echo.sock --backend poll";

/// Sends back to every client what it sends.
#[derive(Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = format!("{EXAMPLES}\n\n{}", backend::ENVIRONMENT)
)]
pub(crate) struct Echo {
    #[command(flatten)]
    serving: Serving,
}

#[derive(Clone)]
struct Echoing;

impl Handler for Echoing {
    type State = ();

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        match session.send(packet) {
            Ok(()) => Flow::Continue,
            // A packet comes only while half the outbox is free, and fits into that.
            Err(_) => Flow::Close,
        }
    }
}

impl Echo {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let builder = self.serving.builder(self.serving.sessions(1)?);
        self.serving.run("echo", "", builder, Echoing)
    }
}
