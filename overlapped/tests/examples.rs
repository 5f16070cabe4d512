//! The four examples as a user starts them. Each serves thousands of connections at once; some of
//! the clients reset, half-close, flood or vanish. Every byte must be right and the end clean.
//!
//! These variables make the tests run the examples of Windows: PROACTOR_TEST_PROGRAMS is the
//! directory that contains their `examples`, PROACTOR_TEST_UNDER the command that starts them,
//! PROACTOR_TEST_CONNECTIONS the number of connections at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// The number of connections at once.
fn connections() -> usize {
    match std::env::var("PROACTOR_TEST_CONNECTIONS") {
        Ok(count) => count.parse().unwrap(),
        Err(_) if cfg!(windows) => 500,
        Err(_) => 5_000,
    }
}

fn example(name: &str) -> Command {
    let path = match std::env::var_os("PROACTOR_TEST_PROGRAMS") {
        Some(directory) => PathBuf::from(directory).join("examples").join(format!("{name}.exe")),
        None => {
            // Cargo builds the examples beside the tests.
            let mut path = std::env::current_exe().unwrap();
            path.pop();
            path.pop();
            path.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
        }
    };
    match std::env::var_os("PROACTOR_TEST_UNDER") {
        Some(starter) => {
            let mut command = Command::new(starter);
            command.arg(path);
            command
        }
        None => Command::new(path),
    }
}

/// The example's process. It is killed when the test ends.
struct Example {
    process: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Example {
    fn start(name: &str) -> Example {
        let mut command = example(name);
        interrupt::in_a_group_of_its_own(&mut command);
        let mut process = command
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}; `cargo build --examples` first"));
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it prints its address").parse().unwrap();
        Example { process, output, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends Ctrl-C and checks the last line.
    fn interrupt(mut self) {
        interrupt::send(&self.process);
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.trim(), "left: 0 operations, 0 buffers, 0 sockets");
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
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

    /// Sends Ctrl-Break, the only key that can be sent to a single group.
    pub(super) fn send(child: &Child) {
        // SAFETY: a plain system call.
        assert_ne!(unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, child.id()) }, 0);
    }
}

fn message(connection: usize, round: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (connection.wrapping_mul(31) + round.wrapping_mul(7) + i) as u8).collect()
}

fn echo(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert!(back == bytes, "the bytes differ from those sent");
}

/// Sends more than any buffer holds, ends its stream, and reads only then. Everything must come
/// back.
fn flood(mut stream: TcpStream) {
    let bytes = message(1, 2, 4 << 20);
    let mut writer = stream.try_clone().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    assert!(back == bytes, "the bytes differ from those sent");
    writer.join().unwrap();
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// The connections of all examples together exceed the limit of open files of one process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn serves(name: &str) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    }
    let example = Example::start(name);
    let mut streams: Vec<TcpStream> = (0..connections()).map(|_| example.connect()).collect();
    for round in 0..3 {
        // All connections have a message in flight at once.
        for (connection, stream) in streams.iter_mut().enumerate() {
            stream.write_all(&message(connection, round, 100)).unwrap();
        }
        for (connection, stream) in streams.iter_mut().enumerate() {
            let mut back = [0; 100];
            stream.read_exact(&mut back).unwrap();
            assert!(
                back == message(connection, round, 100)[..],
                "connection {connection}: the bytes differ from those sent"
            );
        }
    }
    let flooding = example.connect();
    let flooding = std::thread::spawn(move || flood(flooding));
    let mut kept = Vec::new();
    for (connection, mut stream) in streams.into_iter().enumerate() {
        match connection % 5 {
            // Reset with an answer in flight.
            0 => {
                stream.write_all(b"lost").unwrap();
                reset(stream);
            }
            1 => reset(stream),
            2 => {
                stream.write_all(b"the last").unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                let mut back = Vec::new();
                stream.read_to_end(&mut back).unwrap();
                assert_eq!(back, b"the last");
            }
            3 => drop(stream),
            _ => kept.push(stream),
        }
    }
    for (connection, stream) in kept.iter_mut().enumerate() {
        echo(stream, &message(connection, 9, 1000));
    }
    flooding.join().unwrap();
    // It is interrupted with idle connections and with one that does not read its answers.
    let mut unread = example.connect();
    unread.set_nonblocking(true).unwrap();
    let bytes = vec![7; 1 << 16];
    while unread.write(&bytes).is_ok() {}
    example.interrupt();
    drop(kept);
}

#[test]
fn echo_event_serves_thousands_of_connections_and_ends_cleanly() {
    serves("echo_event");
}

#[test]
fn echo_routine_serves_thousands_of_connections_and_ends_cleanly() {
    serves("echo_routine");
}

#[test]
fn echo_port_serves_thousands_of_connections_and_ends_cleanly() {
    serves("echo_port");
}

#[test]
fn echo_future_serves_thousands_of_connections_and_ends_cleanly() {
    serves("echo_future");
}
