//! Listening sockets that the program was started with, instead of binding its own: by systemd's
//! socket activation, or by a server that this one takes the place of.

use std::ffi::OsString;
use std::io::{self, Write};

use overlapped::driver::Stream;
use proactor::Builder;

use crate::printing::say;

/// What a predecessor tells its successor: uses and descriptors, as `listener:7,ready:8`.
pub(crate) const VARIABLE: &str = "PROACTOR_INHERITED";
/// What systemd tells.
pub(crate) const OF_SYSTEMD: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
/// What a successor says when it serves.
pub(crate) const READY: [u8; 6] = *b"ready\n";

/// The descriptor of the first socket that systemd passes (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;
/// More are an error: somebody else's variables.
const MOST: i32 = 256;
/// The name (`FileDescriptorName=`) of the socket for --admin.
const ADMIN: &str = "admin";

/// What an inherited socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// The successor says here that it is ready.
    Ready,
    Listener,
    /// Its path is removed by the last process that has it.
    ListenerWithPath,
    Admin,
    AdminWithPath,
}

impl Use {
    const ALL: [Use; 5] = [Use::Ready, Use::Listener, Use::ListenerWithPath, Use::Admin, Use::AdminWithPath];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Use::Ready => "ready",
            Use::Listener => "listener",
            Use::ListenerWithPath => "listener-with-path",
            Use::Admin => "admin",
            Use::AdminWithPath => "admin-with-path",
        }
    }
}

/// Sockets for one server.
#[derive(Default)]
pub(crate) struct Sockets {
    list: Vec<Stream>,
    /// Another server accepts on them until this one is ready.
    has_predecessor: bool,
}

impl Sockets {
    pub(crate) fn give_to(self, builder: Builder) -> Builder {
        if self.has_predecessor { builder.take_over(self.list) } else { builder.inherit(self.list) }
    }

    /// Where the first listens, if it must be listened on.
    pub(crate) fn first_needed(&self) -> Option<String> {
        let address = self.list.first().filter(|_| !self.has_predecessor)?.local_addr();
        Some(address.map_or_else(|error| error.to_string(), |address| address.to_string()))
    }
}

/// The sockets, by what they are for.
#[derive(Default)]
pub(crate) struct Inherited {
    /// For --listen and the tables of listeners.
    pub(crate) listeners: Sockets,
    /// For --admin.
    pub(crate) admin: Sockets,
    pub(crate) predecessor: Predecessor,
    pub(crate) paths: Paths,
}

/// Further descriptors of listeners whose paths are their server's. They stay the predecessor's
/// until this server is ready: if it fails before, the other goes on and needs them.
#[derive(Default)]
pub(crate) struct Paths(Vec<Stream>);

#[cfg(unix)]
impl Paths {
    /// Owned later.
    fn with(&mut self, socket: Stream) -> Result<Stream, overlapped::Error> {
        let socket = socket.own_path();
        socket.leave_path();
        self.0.push(socket.duplicate()?);
        Ok(socket)
    }

    /// The paths are removed by this process from now on.
    pub(crate) fn own(self) {
        self.0.iter().for_each(Stream::reclaim_path);
    }
}

#[cfg(windows)]
impl Paths {
    fn with(&mut self, socket: Stream) -> Result<Stream, overlapped::Error> {
        Ok(socket)
    }

    pub(crate) fn own(self) {
        debug_assert!(self.0.is_empty());
    }
}

/// The server that this one takes the place of, if there is one.
#[derive(Default)]
pub(crate) struct Predecessor(Option<Stream>);

impl Predecessor {
    /// This server serves: the other may end.
    pub(crate) fn say_ready(self) {
        let Some(stream) = self.0 else { return };
        if let Err(error) = write_ready(stream) {
            say(format_args!("the server before this one could not be told that this one is ready: {error}"));
        }
    }
}

#[cfg(unix)]
fn write_ready(stream: Stream) -> io::Result<()> {
    let mut stream = std::os::unix::net::UnixStream::try_from(stream).map_err(io::Error::other)?;
    stream.write_all(&READY)
}

#[cfg(windows)]
fn write_ready(_: Stream) -> io::Result<()> {
    io::sink().write_all(&READY)
}

impl Inherited {
    /// Takes what the environment of this process says. A second time there is nothing to take.
    pub(crate) fn take() -> Result<Inherited, String> {
        let variable = |name: &str| std::env::var_os(name);
        let (name, remedy, uses) = match variable(VARIABLE) {
            Some(told) => (VARIABLE, "unset it: it is for upgrades alone", handed_over(&told.to_string_lossy())?),
            None => (OF_SYSTEMD[1], REMEDY, passed(variable, std::process::id())?),
        };
        let mut inherited = Inherited::default();
        let has_predecessor = name == VARIABLE;
        (inherited.listeners.has_predecessor, inherited.admin.has_predecessor) = (has_predecessor, has_predecessor);
        for (purpose, descriptor) in uses {
            let failed = |error| format!("{name}: could not take a socket over: {error}; {remedy}");
            let socket = Stream::inherited(descriptor).map_err(failed)?;
            match purpose {
                Use::Ready => inherited.predecessor.0 = Some(socket),
                Use::Listener => inherited.listeners.list.push(socket),
                Use::Admin => inherited.admin.list.push(socket),
                Use::ListenerWithPath => inherited.listeners.list.push(inherited.paths.with(socket).map_err(failed)?),
                Use::AdminWithPath => {
                    inherited.admin.list.push(inherited.paths.with(socket).map_err(failed)?);
                }
            }
        }
        Ok(inherited)
    }
}

const REMEDY: &str = "pass sockets that listen (Accept=no), or unset LISTEN_FDS";

/// What a predecessor has handed over.
fn handed_over(told: &str) -> Result<Vec<(Use, i32)>, String> {
    let entry = |entry: &str| {
        let (name, descriptor) = entry.split_once(':')?;
        let purpose = Use::ALL.into_iter().find(|purpose| purpose.name() == name)?;
        Some((purpose, descriptor.parse().ok()?))
    };
    told.split(',')
        .map(|text| {
            entry(text).ok_or_else(|| {
                format!("{VARIABLE}: '{text}' is nothing to take over; unset it: it is for upgrades alone")
            })
        })
        .collect()
}

/// The descriptors that systemd passes to this process.
fn passed(variable: impl Fn(&str) -> Option<OsString>, own: u32) -> Result<Vec<(Use, i32)>, String> {
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
    let mut purpose = || if names.next() == Some(ADMIN) { Use::Admin } else { Use::Listener };
    Ok((FIRST..FIRST + count).map(|descriptor| (purpose(), descriptor)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_by(variables: &[(&str, &str)]) -> Result<Vec<(Use, i32)>, String> {
        let value = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.into());
        passed(value, 42)
    }

    #[test]
    fn sockets_are_those_of_this_process_and_their_names_say_which_is_for_admin() {
        let own = ("LISTEN_PID", "42");
        let two = [(Use::Listener, 3), (Use::Listener, 4)];
        assert_eq!(passed_by(&[own, ("LISTEN_FDS", "2")]).unwrap(), two);
        let named = [own, ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "web:admin:unknown")];
        assert_eq!(passed_by(&named).unwrap(), [(Use::Listener, 3), (Use::Admin, 4), (Use::Listener, 5)]);
        for nothing in [&[][..], &[("LISTEN_FDS", "1")], &[("LISTEN_PID", "41"), ("LISTEN_FDS", "1")], &[own]] {
            assert!(passed_by(nothing).unwrap().is_empty());
        }
        for wrong in ["", "-1", "x", "257"] {
            assert!(passed_by(&[own, ("LISTEN_FDS", wrong)]).unwrap_err().contains("LISTEN_FDS"), "{wrong}");
        }
    }

    #[test]
    fn what_is_handed_over_is_read_as_it_is_written() {
        let told: Vec<String> =
            Use::ALL.iter().enumerate().map(|(index, purpose)| format!("{}:{index}", purpose.name())).collect();
        let read = handed_over(&told.join(",")).unwrap();
        assert_eq!(read, Use::ALL.into_iter().zip(0..).collect::<Vec<_>>());
        for wrong in ["", "listener", "listener:", "listener:x", "other:3", "listener:3,"] {
            assert!(handed_over(wrong).unwrap_err().contains(VARIABLE), "{wrong}");
        }
    }
}
