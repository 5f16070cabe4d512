//! `proactor cluster`: asks a running server for the cluster that it is a node of.

use std::error::Error;

use clap::{Args, Subcommand};

use super::{Reach, Request, print, tables};

const LONG_ABOUT: &str = "Shows the cluster of a running server, which was started with --cluster URL, --node NAME and --admin ADDR: the nodes that it \
                          knows to be alive, their load, and how far each is behind.\n\nOutput is a table, or JSON with --json. What the server refuses is said on standard error, and the exit status is 1.";

const EXAMPLES: &str = "Examples:\n  proactor chat --cluster nats://10.0.0.9:4222 --node eu-1 --admin 127.0.0.1:7778 &\n  proactor cluster status\n  proactor \
                        cluster status --admin unix:/run/proactor-admin.sock --json";

/// Shows the cluster that a running server is a node of.
#[derive(Args)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct AskCluster {
    #[command(flatten)]
    reach: Reach,
    /// Print what the server answers, as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    question: Question,
}

#[derive(Subcommand)]
enum Question {
    /// The nodes that are alive, their load and lag
    Status,
}

impl AskCluster {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let Question::Status = self.question;
        print(&self.reach.listener()?, &Request::get("/cluster"), self.json, tables::cluster)
    }
}
