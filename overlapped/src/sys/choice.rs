//! Which backend: the one that is asked for, by the program or by the environment, or the best that
//! works here.

use crate::error::{Action, Error, ErrorKind};
use crate::report::Backend;

/// Names a backend for programs that do not choose one themselves.
const VARIABLE: &str = "PROACTOR_BACKEND";

/// The backend that is asked for, and why it is this one. `None` asks for the best that works.
pub(super) fn chosen(asked: Option<Backend>, on_network: bool) -> Result<Option<(Backend, &'static str)>, Error> {
    let invalid = |why: String| Error::new(Action::Setup, ErrorKind::InvalidArgument).because(why);
    if on_network {
        return match asked {
            None | Some(Backend::Sim) => Ok(Some((Backend::Sim, "a network was given"))),
            Some(other) => Err(invalid(format!("a simulated network was given, which the backend {other} cannot use"))),
        };
    }
    if let Some(backend) = asked {
        return Ok(Some((backend, "asked for")));
    }
    let Some(name) = std::env::var_os(VARIABLE) else { return Ok(None) };
    match name.to_string_lossy().as_ref() {
        "" | "auto" => Ok(None),
        name => match name.parse() {
            Ok(backend) => Ok(Some((backend, "asked for by PROACTOR_BACKEND"))),
            Err(why) => Err(invalid(format!("{VARIABLE}: {why}"))),
        },
    }
}
