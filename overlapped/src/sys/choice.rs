//! Which backend: the one that is asked for, by the program or by the environment, or the best that works here.

use std::rc::Rc;
use std::sync::Once;

use crate::buf::Pool;
use crate::driver::DriverConfig;
use crate::error::{Action, Error, ErrorKind};
use crate::report;

use super::Backend;

/// Names a backend for programs that do not ask for one themselves.
const VARIABLE: &str = "PROACTOR_BACKEND";

/// What is asked for, and by whom. `None` leaves it to [`best`].
pub(super) fn chosen(config: &DriverConfig) -> Result<Option<(report::Backend, &'static str)>, Error> {
    if config.network.is_some() {
        return match config.backend {
            None | Some(report::Backend::Sim) => Ok(Some((report::Backend::Sim, "a network was given"))),
            Some(other) => Err(Error::new(Action::Setup, ErrorKind::InvalidArgument)
                .because(format!("a simulated network was given, which the backend {other} knows nothing of"))),
        };
    }
    if let Some(backend) = config.backend {
        return Ok(Some((backend, "asked for")));
    }
    let Some(name) = std::env::var_os(VARIABLE) else { return Ok(None) };
    match name.to_string_lossy().as_ref() {
        "" | "auto" => Ok(None),
        name => match name.parse() {
            Ok(backend) => Ok(Some((backend, "asked for by PROACTOR_BACKEND"))),
            Err(why) => {
                Err(Error::new(Action::Setup, ErrorKind::InvalidArgument).because(format!("{VARIABLE}: {why}")))
            }
        },
    }
}

/// The first that can be set up. That others could not is said in the log, once.
pub(super) fn best(config: &DriverConfig, pool: &Rc<Pool>) -> Result<Backend, Error> {
    let mut why = "the best that works here".to_owned();
    let mut refused = None;
    for &backend in report::Backend::of_this_system() {
        match Backend::forced(backend, config, pool, &why) {
            Ok(made) => {
                if refused.is_some() {
                    static SAID: Once = Once::new();
                    SAID.call_once(|| tracing::warn!("falling back to the backend {backend}: {why}"));
                }
                return Ok(made);
            }
            // No other has them either.
            Err(error) if config.direct_descriptors => return Err(error),
            Err(error) => {
                why = format!("{backend} is not to be had: {error}");
                refused = Some(error);
            }
        }
    }
    Err(refused
        .unwrap_or_else(|| Error::new(Action::Setup, ErrorKind::Unsupported).because("there is no backend here")))
}
