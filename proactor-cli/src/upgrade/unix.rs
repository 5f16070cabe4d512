//! Starting the new process with the sockets, and waiting until it says that it is ready.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use overlapped::driver::Stream;

use super::subject::Subject;
use crate::inherited::{self, READY, Use};
use crate::notify::Notify;
use crate::printing::say;

/// How long a shard may take to hand its sockets out.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How often it is seen whether this server is told to end meanwhile.
const TICK: Duration = Duration::from_millis(50);

/// Returns the new process's number when that is ready.
pub(super) fn hand_over(subject: &Subject, program: Option<&Path>) -> Result<u32, String> {
    let program = program.ok_or("the system does not say from which file this process was started")?;
    let listeners = subject.handle.duplicate_listeners(ANSWER_TIME).map_err(|error| error.to_string())?;
    let admin = subject.admin.as_ref().map(|admin| admin.duplicate_listeners(ANSWER_TIME)).transpose();
    let admin = admin.map_err(|error| format!("the admin listener: {error}"))?.unwrap_or_default();
    let (ours, theirs) = UnixStream::pair().map_err(|error| format!("a pair of sockets could not be made: {error}"))?;
    let mut handed = Handed::default();
    handed.add(&theirs, Use::Ready)?;
    for socket in &listeners {
        handed.add(socket, if socket.owns_path() { Use::ListenerWithPath } else { Use::Listener })?;
    }
    for socket in &admin {
        handed.add(socket, if socket.owns_path() { Use::AdminWithPath } else { Use::Admin })?;
    }
    let child = start(program, &handed).map_err(|error| format!("could not start {}: {error}", program.display()))?;
    drop((handed, theirs));
    let child = await_ready(child, ours, subject)?;
    // They are the other's now.
    listeners.iter().chain(&admin).for_each(Stream::leave_path);
    let process = child.id();
    watch(child);
    Ok(process)
}

/// Says when the successor ends, if this process is still there. Nobody waits for the thread.
fn watch(mut child: Child) {
    let process = child.id();
    let watching = std::thread::Builder::new().name("successor".into()).spawn(move || {
        let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        say(format_args!("upgrade: process {process}, which has taken over, ended: {ended}"));
    });
    if let Err(error) = watching {
        tracing::warn!("upgrade: the end of process {process} will not be seen: could not start a thread: {error}");
    }
}

/// Descriptors that stay open in the new process, and what it is told of them.
#[derive(Default)]
struct Handed {
    descriptors: Vec<OwnedFd>,
    told: Vec<String>,
}

impl Handed {
    fn add(&mut self, socket: &impl AsFd, purpose: Use) -> Result<(), String> {
        let left_open = rustix::io::dup(socket.as_fd());
        let left_open = left_open.map_err(|error| format!("a socket could not be duplicated: {error}"))?;
        self.told.push(format!("{}:{}", purpose.name(), left_open.as_raw_fd()));
        self.descriptors.push(left_open);
        Ok(())
    }
}

fn start(program: &Path, handed: &Handed) -> std::io::Result<Child> {
    let mut words = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    for variable in inherited::OF_SYSTEMD.into_iter().chain([Notify::NOT_HANDED_OVER]) {
        command.env_remove(variable);
    }
    command.args(words).env(inherited::VARIABLE, handed.told.join(",")).spawn()
}

/// Waits until the new process says that it is ready, and ends it if it does not.
fn await_ready(mut child: Child, mut line: UnixStream, subject: &Subject) -> Result<Child, String> {
    let process = child.id();
    let failed = |child: &mut Child, why: String| {
        let _ = child.kill();
        let _ = child.wait();
        Err(why)
    };
    let until = Instant::now() + subject.patience;
    if let Err(error) = line.set_read_timeout(Some(TICK)) {
        return failed(&mut child, format!("the new process could not be waited for: {error}"));
    }
    let mut said = [0; READY.len()];
    let mut len = 0;
    while said != READY {
        match line.read(&mut said[len..]) {
            Ok(0) => {
                let status = ended(&mut child);
                return Err(format!("process {process} ended before it was ready ({status}); its own lines say why"));
            }
            Ok(more) => len += more,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return failed(&mut child, format!("process {process} could not be heard: {error}")),
        }
        if subject.handle.is_ending() {
            return failed(&mut child, format!("process {process} was ended, because this server is ending"));
        }
        if said != READY && (len == READY.len() || Instant::now() >= until) {
            let patience = subject.patience;
            return failed(
                &mut child,
                format!(
                    "process {process} was not ready within {patience:?} and was ended; a longer --upgrade-timeout gives it more time"
                ),
            );
        }
    }
    Ok(child)
}

/// How a process has ended that has closed its end, a moment before it can be waited for.
fn ended(child: &mut Child) -> String {
    let until = Instant::now() + Duration::from_secs(1);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    // If it goes on without what it was to say, it must not.
    let _ = child.kill();
    child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
}
