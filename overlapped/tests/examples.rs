//! The four examples as a user starts them: 5,000 connections at once, of which some reset, half-close, flood, or vanish; every byte right; and a clean end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

const CONNECTIONS: usize = 5_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// The example's process; ended with the test, however that ends.
struct Example {
    process: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Example {
    fn start(name: &str) -> Example {
        // Cargo builds the examples beside the tests.
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        path.push("examples");
        path.push(name);
        let mut process =
            Command::new(&path).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!("cannot start {}: {error}; `cargo build --examples` first", path.display())
            });
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it says where it listens").parse().unwrap();
        Example { process, output, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Ctrl-C, and what it says last.
    fn interrupt(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::INT).unwrap();
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

fn message(connection: usize, round: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (connection.wrapping_mul(31) + round.wrapping_mul(7) + i) as u8).collect()
}

fn echo(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert!(back == bytes, "other bytes than were sent");
}

/// Sends more than any buffer holds and reads only later; ends its stream, and is still owed everything.
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
    assert!(back == bytes, "other bytes than were sent");
    writer.join().unwrap();
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Their connections together are more than the open files that one process may have.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn serves(name: &str) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let example = Example::start(name);
    let mut streams: Vec<TcpStream> = (0..CONNECTIONS).map(|_| example.connect()).collect();
    for round in 0..3 {
        // All of them have something under way at once.
        for (connection, stream) in streams.iter_mut().enumerate() {
            stream.write_all(&message(connection, round, 100)).unwrap();
        }
        for (connection, stream) in streams.iter_mut().enumerate() {
            let mut back = [0; 100];
            stream.read_exact(&mut back).unwrap();
            assert!(back == message(connection, round, 100)[..], "connection {connection}: other bytes than were sent");
        }
    }
    let flooding = example.connect();
    let flooding = std::thread::spawn(move || flood(flooding));
    let mut kept = Vec::new();
    for (connection, mut stream) in streams.into_iter().enumerate() {
        match connection % 5 {
            // With an answer on its way.
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
    // Some that it is interrupted over: one with nothing under way, one with an answer that nobody reads.
    let mut unread = example.connect();
    unread.set_nonblocking(true).unwrap();
    let bytes = vec![7; 1 << 16];
    while unread.write(&bytes).is_ok() {}
    example.interrupt();
    drop(kept);
}

#[test]
fn echo_event_serves_5000_connections_and_ends_cleanly() {
    serves("echo_event");
}

#[test]
fn echo_routine_serves_5000_connections_and_ends_cleanly() {
    serves("echo_routine");
}

#[test]
fn echo_port_serves_5000_connections_and_ends_cleanly() {
    serves("echo_port");
}

#[test]
fn echo_future_serves_5000_connections_and_ends_cleanly() {
    serves("echo_future");
}
