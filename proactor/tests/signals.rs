//! Signals, which belong to the whole process: each test runs this program again, as a child.

#![cfg(unix)]

#[path = "server/harness/backends.rs"]
mod backends;
mod echo;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use proactor::{Backend, Server, Signals};
use rustix::process::{Pid, Signal, kill_process};

use backends::backends;
use echo::Echo;

const PATIENCE: Duration = Duration::from_secs(30);
const CHILD: &str = "PROACTOR_TEST_CHILD";

/// What the child does: serves until it is told to end, twice, and goes on after that.
#[test]
fn child() {
    let Some(backend) = std::env::var_os(CHILD) else { return };
    let backend = if backend == "poll" { Backend::Poll } else { Backend::Uring };
    for _ in 0..2 {
        let signals = Signals::new().unwrap().patience(PATIENCE);
        let signals = signals.on_quit(|| say("asked")).unwrap();
        let builder = Server::builder().listen("127.0.0.1:0").shards(1).backend(Some(backend));
        let server = builder.start(Echo).unwrap();
        say(&format!("serves {}", server.local_addrs()[0]));
        server.run_until(signals).unwrap();
        say("ended");
    }
    // The signals are nobody's now.
    std::thread::sleep(PATIENCE);
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}

struct Daemon {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Daemon {
    fn start(backend: Backend) -> Daemon {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]).env(CHILD, backend.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Daemon { child, said }
    }

    /// The next line that the child says itself.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.said.read_line(&mut line).unwrap(), 0, "the child has ended");
            if let Some(line) = line.strip_prefix('@') {
                return line.trim_end().to_owned();
            }
        }
    }

    fn connect(&mut self) -> TcpStream {
        let line = self.hear();
        let stream = TcpStream::connect(line.strip_prefix("serves ").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn exchange(mut stream: &TcpStream) {
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

#[test]
fn the_first_signal_drains_a_hang_up_does_nothing_and_afterwards_signals_end_the_process() {
    for backend in backends() {
        let mut daemon = Daemon::start(backend);
        for signal in [Signal::TERM, Signal::INT] {
            let mut stream = daemon.connect();
            exchange(&stream);
            daemon.send(Signal::HUP);
            exchange(&stream);
            daemon.send(signal);
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{backend}: it is closed in order");
            drop(stream);
            assert_eq!(daemon.hear(), "ended", "{backend}");
        }
        daemon.send(Signal::TERM);
        let status = daemon.child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::TERM.as_raw()), "{backend}: {status:?}");
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    for backend in backends() {
        let mut daemon = Daemon::start(backend);
        let mut stream = daemon.connect();
        exchange(&stream);
        daemon.send(Signal::TERM);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        // This end stays open, so the drain would wait for it.
        daemon.send(Signal::TERM);
        assert_eq!(daemon.hear(), "ended", "{backend}");
    }
}

#[test]
fn sigquit_is_answered_by_a_call_and_the_server_goes_on_until_nobody_wants_it() {
    for backend in backends() {
        let mut daemon = Daemon::start(backend);
        for _ in 0..2 {
            let stream = daemon.connect();
            for _ in 0..2 {
                daemon.send(Signal::QUIT);
                assert_eq!(daemon.hear(), "asked", "{backend}");
                exchange(&stream);
            }
            daemon.send(Signal::TERM);
            drop(stream);
            assert_eq!(daemon.hear(), "ended", "{backend}");
        }
        daemon.send(Signal::QUIT);
        let status = daemon.child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::QUIT.as_raw()), "{backend}: {status:?}");
    }
}
