//! Why a command does not start: arguments that clap refuses, or faults of a configuration.

use std::process::ExitCode;

use crate::printing::{self, say};

/// The exit status of a command whose options are wrong, as clap has it.
const STATUS: u8 = 2;

pub(crate) enum Refused {
    /// Or a help that was asked for.
    Usage(Box<clap::Error>),
    Faults(Vec<String>),
}

impl Refused {
    pub(super) fn fault(text: impl Into<String>) -> Refused {
        Refused::Faults(vec![text.into()])
    }

    /// Says why.
    pub(crate) fn print(&self) -> ExitCode {
        match self {
            Refused::Usage(answer) => printing::usage(answer),
            Refused::Faults(faults) => {
                for fault in faults {
                    say(format_args!("{fault}"));
                }
                ExitCode::from(STATUS)
            }
        }
    }
}

impl From<clap::Error> for Refused {
    fn from(answer: clap::Error) -> Refused {
        Refused::Usage(Box::new(answer))
    }
}
