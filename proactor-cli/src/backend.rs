//! The `--backend` option, and advice when a backend cannot be set up.

use clap::ValueEnum;
use overlapped::Error;
use overlapped::error::Action;
use overlapped::report::Backend;

/// The library reads it when no backend is given.
const VARIABLE: &str = "PROACTOR_BACKEND";

/// For `--help`.
pub(crate) const ENVIRONMENT: &str =
    "Environment:\n  PROACTOR_BACKEND  The backend to use when --backend is auto; takes the same names";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// The backend that PROACTOR_BACKEND names; without it, the best that works on this machine
    Auto,
    /// io_uring (Linux)
    #[cfg(target_os = "linux")]
    Uring,
    /// epoll on Linux, kqueue on macOS and the BSDs
    #[cfg(unix)]
    Poll,
    /// Overlapped sockets on a completion port (Windows)
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

    /// Advice for a backend that cannot be set up; empty for other errors.
    pub(crate) fn remedy(self, error: &Error) -> &'static str {
        if error.action() != Action::Setup {
            return "";
        }
        match self {
            BackendChoice::Auto
                if std::env::var_os(VARIABLE).is_some_and(|name| !name.is_empty() && name != "auto") =>
            {
                "; PROACTOR_BACKEND asks for this backend: unset it to use the best that works here (`proactor doctor` shows which)"
            }
            BackendChoice::Auto => "; run `proactor doctor` for details",
            _ => "; use --backend auto for the best that works here (`proactor doctor` shows which)",
        }
    }
}
