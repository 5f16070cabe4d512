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
    #[value(alias = "io_uring")]
    Uring,
    /// epoll on Linux, kqueue on macOS and the BSDs
    #[cfg(unix)]
    #[value(aliases = ["epoll", "kqueue"])]
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
            BackendChoice::Auto if named().is_some_and(|name| fault_of_variable(&name).is_some()) => ", or unset it",
            BackendChoice::Auto if named().is_some() => {
                "; PROACTOR_BACKEND asks for this backend: unset it to use the best that works here (`proactor doctor` shows which)"
            }
            BackendChoice::Auto => "; run `proactor doctor` for details",
            _ => "; use --backend auto for the best that works here (`proactor doctor` shows which)",
        }
    }
}

/// What is wrong with the value of the variable. The library finds it only at the start.
pub(crate) fn fault_of_variable(value: &str) -> Option<String> {
    if BackendChoice::from_str(value, false).is_ok() {
        return None;
    }
    let values = BackendChoice::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
    Some(format!("there is no such backend here: write one of {}, or unset the variable", names.join(", ")))
}

/// What the environment asks for.
fn named() -> Option<String> {
    let name = std::env::var_os(VARIABLE)?;
    let name = name.to_string_lossy().into_owned();
    (!name.is_empty() && name != "auto").then_some(name)
}

/// For the doctor, when the backend that would be used cannot be.
pub(crate) fn advice() -> String {
    match named() {
        Some(name) => format!(
            "{VARIABLE}={name} asks for a backend that cannot be used here: unset it to use the best that works, or name one of the backends above"
        ),
        None => {
            "no server starts with this backend: use --backend auto, or mend what the line of the backend above says"
                .into()
        }
    }
}
