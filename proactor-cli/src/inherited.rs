//! Listening sockets that the program was started with, instead of binding its own: systemd's
//! socket activation.

use std::ffi::OsString;

use overlapped::driver::Stream;

/// The descriptor of the first socket that systemd passes (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;
/// More are an error: somebody else's variables.
const MOST: i32 = 256;
/// The name (`FileDescriptorName=`) of the socket for --admin.
const ADMIN: &str = "admin";

/// The sockets, by what they are for.
#[derive(Default)]
pub(crate) struct Inherited {
    /// For --listen and the tables of listeners.
    pub(crate) listeners: Vec<Stream>,
    /// For --admin.
    pub(crate) admin: Vec<Stream>,
}

impl Inherited {
    /// Takes what the environment of this process says. A second time there is nothing to take.
    pub(crate) fn take() -> Result<Inherited, String> {
        let mut inherited = Inherited::default();
        for (descriptor, is_admin) in passed(|name| std::env::var_os(name), std::process::id())? {
            let socket = Stream::inherited(descriptor)
                .map_err(|error| format!("LISTEN_FDS: could not take a socket over: {error}; {REMEDY}"))?;
            if is_admin { &mut inherited.admin } else { &mut inherited.listeners }.push(socket);
        }
        Ok(inherited)
    }
}

const REMEDY: &str = "pass sockets that listen (Accept=no), or unset LISTEN_FDS";

/// The descriptors that are passed to this process, and whether each is for --admin.
fn passed(variable: impl Fn(&str) -> Option<OsString>, own: u32) -> Result<Vec<(i32, bool)>, String> {
    let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
    // They may be meant for the process that started this one.
    let Some(count) = text("LISTEN_FDS").filter(|_| text("LISTEN_PID").is_some_and(|pid| pid == own.to_string()))
    else {
        return Ok(Vec::new());
    };
    let count = count.parse().ok().filter(|count| (0..=MOST).contains(count));
    let count = count.ok_or_else(|| format!("LISTEN_FDS: it must be a number up to {MOST}; {REMEDY}"))?;
    let names = text("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    Ok((FIRST..FIRST + count).map(|descriptor| (descriptor, names.next() == Some(ADMIN))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_by(variables: &[(&str, &str)]) -> Result<Vec<(i32, bool)>, String> {
        let value = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.into());
        passed(value, 42)
    }

    #[test]
    fn sockets_are_those_of_this_process_and_their_names_say_which_is_for_admin() {
        let own = ("LISTEN_PID", "42");
        assert_eq!(passed_by(&[own, ("LISTEN_FDS", "2")]).unwrap(), [(3, false), (4, false)]);
        let named = [own, ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "web:admin:unknown")];
        assert_eq!(passed_by(&named).unwrap(), [(3, false), (4, true), (5, false)]);
        for nothing in [&[][..], &[("LISTEN_FDS", "1")], &[("LISTEN_PID", "41"), ("LISTEN_FDS", "1")], &[own]] {
            assert_eq!(passed_by(nothing).unwrap(), []);
        }
        for wrong in ["", "-1", "x", "257"] {
            assert!(passed_by(&[own, ("LISTEN_FDS", wrong)]).unwrap_err().contains("LISTEN_FDS"), "{wrong}");
        }
    }
}
