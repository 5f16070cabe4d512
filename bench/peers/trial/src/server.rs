//! The process of a contestant during a trial.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::client::Client;

/// A server that does not answer fails the trial instead of hanging it.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Killed when dropped.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    /// Kept open: a server that writes more must not fail at it.
    _output: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            let read = output.read_line(&mut line).expect("its output is text");
            assert!(read > 0, "{program} ended before it said where it listens");
            if let Some(address) = line.split_whitespace().find_map(|word| word.parse().ok()) {
                break address;
            }
        };
        Self { process, address, _output: output }
    }

    pub(crate) fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.address).expect("it accepts connections");
        socket.set_nodelay(true).expect("TCP has it");
        socket.set_read_timeout(Some(ANSWER_WITHIN)).expect("the time is not zero");
        Client::new(socket)
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
        let kilobytes = line.trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().expect("a number of kB") * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to kill.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
