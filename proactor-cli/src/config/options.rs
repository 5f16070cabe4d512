//! The options of a server that are about its configuration.

use std::path::PathBuf;

use clap::Args;

const CONFIGURATION: &str = "Configuration (precedence: flags, then environment variables, then the file)";

#[derive(Args)]
pub(crate) struct ConfigOptions {
    /// Read options from this TOML file. Its keys are the names of the flags; each [[listener]]
    /// table adds a listener. The environment variable of --max-sessions is PROACTOR_MAX_SESSIONS,
    /// and so on.
    #[arg(long, value_name = "FILE", help_heading = CONFIGURATION)]
    config: Option<PathBuf>,
    /// Check the options and the files that they name, and do not start.
    #[arg(long, help_heading = CONFIGURATION)]
    check: bool,
}

impl ConfigOptions {
    pub(crate) fn is_check(&self) -> bool {
        self.check
    }
}
