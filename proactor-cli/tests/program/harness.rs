//! Starts and stops the program.
//!
//! These variables let the tests drive the Windows program under Wine: PROACTOR_TEST_PROGRAMS is
//! its directory, PROACTOR_TEST_UNDER the command that starts it, PROACTOR_TEST_CONNECTIONS the
//! number of connections to open. PROACTOR_TEST_WITHOUT=uring says that io_uring is refused on this
//! machine.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a test waits before it fails. Long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

fn program() -> Command {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_proactor"));
    let path = match variable("PROACTOR_TEST_PROGRAMS") {
        Some(directory) => PathBuf::from(directory).join("proactor.exe"),
        None => built,
    };
    match variable("PROACTOR_TEST_UNDER") {
        Some(starter) => {
            let mut command = Command::new(starter);
            command.arg(path);
            command
        }
        None => Command::new(path),
    }
}

pub(crate) fn proactor(arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    proactor(arguments).output().unwrap()
}

/// A log without the line that says that io_uring is refused here.
#[cfg(unix)]
pub(crate) fn without_fallback(log: &str) -> String {
    log.split_inclusive('\n').filter(|line| !line.contains("falling back to the backend")).collect()
}

pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

pub(crate) fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the program is a Windows program.
pub(crate) fn windows() -> bool {
    cfg!(windows) || variable("PROACTOR_TEST_PROGRAMS").is_some()
}

/// Whether io_uring is available.
pub(crate) fn uring() -> bool {
    cfg!(target_os = "linux") && variable("PROACTOR_TEST_WITHOUT").is_none_or(|what| what != "uring")
}

/// The backend that `auto` chooses on this machine.
pub(crate) fn backend() -> &'static str {
    match variable("PROACTOR_BACKEND") {
        Some(name) if name == "poll" => "poll",
        _ if windows() => "winsock",
        _ if uring() => "io_uring",
        _ => "poll",
    }
}

/// Starts a program so that it can be sent Ctrl-C.
pub(crate) fn spawn(mut command: Command) -> Child {
    interrupt::in_a_group_of_its_own(&mut command);
    command.spawn().unwrap()
}

/// Sends Ctrl-C.
pub(crate) fn interrupt(child: &Child) {
    interrupt::send(child);
}

/// A running server. Dropping it ends the server.
pub(crate) struct Running {
    pub(crate) child: Child,
    /// The start-up line.
    pub(crate) line: String,
    /// Log lines before the start-up line.
    pub(crate) log: String,
    pub(crate) addresses: Vec<SocketAddr>,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    pub(crate) fn echo(arguments: &[&str]) -> Running {
        Running::of(proactor(&[&["echo"], arguments].concat()))
    }

    pub(crate) fn chat(arguments: &[&str]) -> Running {
        Running::of(proactor(&[&["chat", "--listen", "127.0.0.1:0"], arguments].concat()))
    }

    pub(crate) fn of(mut command: Command) -> Running {
        command.stderr(Stdio::piped());
        let mut child = spawn(command);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (mut log, mut line) = (String::new(), String::new());
        while !(line.starts_with("proactor: ") && line.contains("; backend ")) {
            log.push_str(&line);
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended before it was ready: {log}");
        }
        let words = line.split([' ', ',', ';']);
        let addresses = words.filter_map(|word| word.parse().ok()).collect();
        Running { child, line, log, addresses, stderr }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        self.try_connect_at(0).unwrap()
    }

    pub(crate) fn try_connect(&self) -> io::Result<TcpStream> {
        self.try_connect_at(0)
    }

    /// At one of its addresses.
    pub(crate) fn connect_at(&self, index: usize) -> TcpStream {
        self.try_connect_at(index).unwrap()
    }

    pub(crate) fn try_connect_at(&self, index: usize) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.addresses[index])?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends Ctrl-C.
    pub(crate) fn interrupt(&self) {
        interrupt(&self.child);
    }

    /// Drains the server and returns its closing summary.
    pub(crate) fn summary(mut self) -> String {
        self.interrupt();
        assert_eq!(self.ended().code(), Some(0));
        self.rest_of_log().1
    }

    /// The next line that it logs.
    #[cfg(unix)]
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "it ended");
        line
    }

    /// Everything it logged after the start-up line. The server has ended.
    pub(crate) fn rest_of_log(&mut self) -> (String, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        let end = rest.find("proactor: ").filter(|at| rest[*at..].contains(" has ended: "));
        let summary = rest.split_off(end.expect("it says what it has done"));
        (rest, summary)
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
mod interrupt {
    use std::process::{Child, Command};

    use rustix::process::{Pid, Signal, kill_process};

    pub(super) fn in_a_group_of_its_own(_: &mut Command) {}

    pub(super) fn send(child: &Child) {
        kill_process(Pid::from_child(child), Signal::INT).unwrap();
    }
}

#[cfg(windows)]
mod interrupt {
    use std::os::windows::process::CommandExt;
    use std::process::{Child, Command};

    use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};

    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

    pub(super) fn in_a_group_of_its_own(command: &mut Command) {
        command.creation_flags(CREATE_NEW_PROCESS_GROUP);
    }

    /// Sends Ctrl-Break, the only key that can be sent to a single process group.
    pub(super) fn send(child: &Child) {
        // SAFETY: the call takes no pointers.
        assert_ne!(unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, child.id()) }, 0);
    }
}
