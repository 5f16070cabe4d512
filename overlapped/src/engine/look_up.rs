//! Lookups of names as operations: made by the engine's resolver, ended by its driver.
//!
//! The driver has the operation, as it has a timer, so cancels, deadlines and the four models are
//! the same for it. The answer goes to the engine's queue, as a cancel does.

use std::net::SocketAddr;

use crate::driver::Op;
use crate::error::{Action, Error, ErrorKind};
use crate::resolve::{Interest, Resolver, is_host_name};

/// The addresses of a name.
pub(super) type Answer = Result<Vec<SocketAddr>, Error>;

/// What a lookup's record has.
pub(super) struct LookUp {
    /// Until it ends.
    _interest: Option<Interest>,
    /// Waits to be told to the driver.
    pub(super) answer: Option<Answer>,
    /// What the driver has been told, for the completion.
    pub(super) found: Vec<SocketAddr>,
}

/// Has the name that an operation owns looked up. `tell` is called with the answer later, on
/// another thread, unless it is known now. `resolver` is `None` on a simulated network.
pub(super) fn begin(
    op: &mut Op,
    resolver: Option<&Resolver>,
    tell: impl FnOnce(Answer) + Send + 'static,
) -> Result<LookUp, Error> {
    let text: String = op.owned.buf.take().and_then(|buf| buf.take().ok()).unwrap_or_default();
    let answered = |answer| Ok(LookUp { _interest: None, answer: Some(answer), found: Vec::new() });
    if let Ok(address) = text.parse::<SocketAddr>() {
        return answered(Ok(vec![address]));
    }
    let Some((name, port)) = split(&text) else {
        let why = format!("'{text}' is not a host and a port, as in example.org:80, 127.0.0.1:80 or [::1]:80");
        return Err(Error::new(Action::LookUp, ErrorKind::InvalidArgument).because(why));
    };
    let Some(resolver) = resolver else {
        let why = "a simulated network has no names, only addresses";
        return answered(Err(Error::new(Action::LookUp, ErrorKind::Unsupported).because(why)));
    };
    let asked = text.clone();
    let interest = resolver.look_up(name, port, move |found| {
        tell(match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(Error::new(Action::LookUp, ErrorKind::NotFound).because(asked)),
            Err(error) => Err(Error::not_found(&asked, &error)),
        });
    })?;
    Ok(LookUp { _interest: Some(interest), answer: None, found: Vec::new() })
}

/// A host's name and a port.
fn split(text: &str) -> Option<(&str, u16)> {
    let (name, port) = text.rsplit_once(':')?;
    Some((name, port.parse().ok()?)).filter(|(name, _)| is_host_name(name))
}
