//! Why a command does not start: arguments that clap refuses, or faults of a configuration.

use std::fmt;
use std::process::ExitCode;

use crate::printing::{self, say};

/// The exit status of a command whose options are wrong, as clap has it.
const STATUS: u8 = 2;

pub(crate) enum Refused {
    /// Or a help that was asked for.
    Usage(Box<clap::Error>),
    Faults(Vec<Fault>),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// In the file; 0 for what is wrong elsewhere.
    pub(super) line: usize,
    pub(super) text: String,
}

impl Refused {
    /// Says why, in the order of the file.
    pub(crate) fn print(self) -> ExitCode {
        match self {
            Refused::Usage(answer) => printing::usage(&answer),
            Refused::Faults(mut faults) => {
                faults.sort_by_key(|fault| fault.line);
                for fault in faults {
                    say(format_args!("{}", fault.text));
                }
                ExitCode::from(STATUS)
            }
        }
    }
}

/// On one line.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Usage(answer) => f.write_str(answer.to_string().lines().next().unwrap_or_default()),
            Refused::Faults(faults) => {
                let texts: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
                f.write_str(&texts.join("; "))
            }
        }
    }
}

impl From<clap::Error> for Refused {
    fn from(answer: clap::Error) -> Refused {
        Refused::Usage(Box::new(answer))
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused::Faults(vec![fault])
    }
}

/// A fault that is in no line of the file.
impl From<String> for Fault {
    fn from(text: String) -> Fault {
        Fault { line: 0, text }
    }
}
