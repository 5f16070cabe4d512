//! Which backend the program is asked to use, and what to do when that one cannot be had.

use clap::ValueEnum;
use overlapped::Error;
use overlapped::error::Action;
use overlapped::report::Backend;

/// What the library looks at when no backend is asked for.
const VARIABLE: &str = "PROACTOR_BACKEND";

/// For `--help`.
pub(crate) const ENVIRONMENT: &str =
    "Environment:\n  PROACTOR_BACKEND  The backend where --backend is auto, under the same names";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// The one that PROACTOR_BACKEND names; else the best that works here
    Auto,
    /// Linux's io_uring
    #[cfg(target_os = "linux")]
    Uring,
    /// Readiness: epoll on Linux, kqueue on macOS and the BSDs
    #[cfg(unix)]
    Poll,
    /// Windows' overlapped sockets on a completion port
    #[cfg(windows)]
    Winsock,
}

impl BackendChoice {
    pub(crate) fn backend(self) -> Option<Backend> {
        match self {
            BackendChoice::Auto => None,
            #[cfg(target_os = "linux")]
            BackendChoice::Uring => Some(Backend::Uring),
            #[cfg(unix)]
            BackendChoice::Poll => Some(Backend::Poll),
            #[cfg(windows)]
            BackendChoice::Winsock => Some(Backend::Winsock),
        }
    }

    /// What can be done about a backend that cannot be set up. Empty for other errors.
    pub(crate) fn remedy(self, error: &Error) -> &'static str {
        if error.action() != Action::Setup {
            return "";
        }
        match self {
            BackendChoice::Auto
                if std::env::var_os(VARIABLE).is_some_and(|name| !name.is_empty() && name != "auto") =>
            {
                "; PROACTOR_BACKEND asks for this backend: without it the best that works here is taken (`proactor doctor` says which)"
            }
            BackendChoice::Auto => "; `proactor doctor` says more",
            _ => "; --backend auto takes the best that works here (`proactor doctor` says which)",
        }
    }
}
