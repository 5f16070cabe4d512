//! `proactor run`, `proactor config check` and `proactor config show`: a file that says which
//! server it is for.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Command, Subcommand};

use super::reading;
use super::refused::Refused;
use super::show;

/// Starts the server that a configuration file describes.
#[derive(Args)]
#[command(
    long_about = "Starts the server that a configuration file describes: its key `command` says which. The same as `proactor COMMAND \
                        --config FILE`."
)]
pub(crate) struct Run {
    #[command(flatten)]
    of: Of,
}

/// Checks a configuration file, or shows what is in force and where it is set.
#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Checks a file, with the variables and flags beside it, and the files that it names. Exits
    /// with 0 if the server would start, as far as that can be said without listening.
    Check(Of),
    /// Shows every option, its value and where that is set, as a file that can be used.
    Show(Of),
}

#[derive(Args)]
struct Of {
    /// The configuration file. Its key `command` says which server it is for.
    file: PathBuf,
    /// Flags of that server. They override the file.
    #[arg(value_name = "FLAGS", trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<OsString>,
}

/// What a command of this file comes to.
pub(crate) enum Next {
    /// A server with this command line.
    Start(Vec<OsString>),
    Print(String),
}

impl Run {
    pub(crate) fn next(self, definition: &Command) -> Result<Next, Refused> {
        self.of.words(definition, &[]).map(Next::Start)
    }
}

impl Config {
    pub(crate) fn next(self, definition: &Command) -> Result<Next, Refused> {
        match self.what {
            What::Check(of) => Ok(Next::Start(of.words(definition, &["--check"])?)),
            What::Show(of) => {
                let words = of.words(definition, &[])?;
                let read = reading::read(definition, &words)?;
                Ok(Next::Print(show::text(definition, &words, &read)))
            }
        }
    }
}

impl Of {
    fn words(self, definition: &Command, more: &[&str]) -> Result<Vec<OsString>, Refused> {
        let command = reading::command_of(definition, &self.file)?;
        let mut words: Vec<OsString> = vec![definition.get_name().into(), command.into()];
        words.extend(["--config".into(), self.file.into_os_string()]);
        words.extend(more.iter().map(OsString::from));
        words.extend(self.flags);
        Ok(words)
    }
}
