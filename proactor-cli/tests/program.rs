//! The real program, as a user starts it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn proactor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proactor"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    proactor(arguments).output().unwrap()
}

/// A running echo server, ended with its test.
struct Echo {
    child: Child,
    line: String,
    addresses: Vec<SocketAddr>,
}

impl Echo {
    fn start(arguments: &[&str]) -> Echo {
        let mut child = proactor(&[&["echo"], arguments].concat()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let words = line.split([' ', ',', ';']);
        let addresses = words.filter_map(|word| word.parse().ok()).collect();
        Echo { child, line, addresses }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addresses[0]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // SAFETY: a plain system call on a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    fn ended(&mut self) -> ExitStatus {
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

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The backend that programs get here: the best there is, or what `PROACTOR_BACKEND` asks for.
fn backend() -> overlapped::Backend {
    overlapped::Driver::new(overlapped::DriverConfig::default()).unwrap().report().backend
}

#[test]
fn port_0_prints_the_real_ports_backend_and_shards_and_echoes() {
    let echo = Echo::start(&["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--shards", "1"]);
    assert_eq!(echo.addresses.len(), 2, "{}", echo.line);
    let backend = format!("backend {}", backend());
    assert!(echo.line.contains(&backend) && echo.line.contains("1 shard"), "{}", echo.line);
    for address in &echo.addresses {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
    }
}

#[test]
fn sigterm_delivers_what_is_queued_and_exits_with_0() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut echo = Echo::start(&["--listen", "127.0.0.1:0"]);
        let mut stream = echo.connect();
        stream.write_all(&[7; 10_000]).unwrap();
        let mut back = vec![0; 10_000];
        stream.read_exact(&mut back[..1]).unwrap();
        echo.signal(signal);
        stream.read_exact(&mut back[1..]).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "closed in order");
        drop(stream);
        assert_eq!(echo.ended().code(), Some(0));
        let refused = TcpStream::connect(echo.addresses[0]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut echo = Echo::start(&["--listen", "127.0.0.1:0", "--drain-timeout", "1h"]);
    let mut stream = echo.connect();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    echo.signal(libc::SIGTERM);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "told that it is over");
    assert!(echo.child.try_wait().unwrap().is_none(), "it waits for the peer's end");
    echo.signal(libc::SIGTERM);
    assert_eq!(echo.ended().code(), Some(0));
}

#[test]
fn draining_takes_no_longer_than_it_may() {
    let mut echo = Echo::start(&["--listen", "127.0.0.1:0", "--drain-timeout", "100ms"]);
    let mut stream = echo.connect();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    echo.signal(libc::SIGTERM);
    assert_eq!(echo.ended().code(), Some(0));
}

#[test]
fn errors_name_the_thing_and_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cases: [(&[&str], i32, &[&str]); 6] = [
        (&["--listen", &address], 1, &[&address, "in use", "choose another port"]),
        (&["--listen", "203.0.113.1:7777"], 1, &["203.0.113.1:7777", "choose an address of this machine"]),
        (&["--listen", "localhost"], 2, &["localhost", "--listen"]),
        (&["--max-sessions", "99999999"], 1, &["--max-sessions 99999999", "ulimit -n"]),
        (&["--listen", "127.0.0.1:0", "--outbox-bytes", "5"], 1, &["5 bytes", "at least"]),
        (&["--drain-timeout", "soon"], 2, &["soon", "--drain-timeout"]),
    ];
    for (arguments, code, texts) in cases {
        let output = run(&[&["echo"], arguments].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        for expected in texts {
            assert!(text.contains(expected), "{arguments:?}: {expected:?} is not in {text:?}");
        }
    }
}

#[test]
fn whoever_is_over_the_session_limit_is_turned_away_under_a_low_limit_of_files() {
    let program = env!("CARGO_BIN_EXE_proactor");
    let script = format!("ulimit -n 100; exec {program} echo --listen 127.0.0.1:0 --shards 1 --max-sessions 36");
    let mut child = Command::new("sh").arg("-c").arg(script).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let addresses: Vec<SocketAddr> = line.split([' ', ',', ';']).filter_map(|word| word.parse().ok()).collect();
    let echo = Echo { child, line, addresses };
    // The program takes fewer sessions than files: the limit it was given is what turns the rest away.
    let streams: Vec<TcpStream> = (0..36).map(|_| echo.connect()).collect();
    for mut stream in &streams {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
    }
    let mut late = echo.connect();
    let turned_away = late.write_all(b"x").is_err() || !matches!(late.read(&mut [0; 1]), Ok(1));
    assert!(turned_away);
}

#[test]
fn doctor_says_what_it_runs_on() {
    let output = run(&["doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let backend = backend();
    let (line, feature) = match backend {
        overlapped::Backend::Uring => ("backend  io_uring", "multishot receive"),
        _ => ("backend  poll", "edge-triggered"),
    };
    for expected in ["kernel", line, feature, "open files", "advice"] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    let output = run(&["doctor", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["backend"], backend.to_string());
    assert!(json["features"].as_array().unwrap().len() > 1);
}

#[test]
fn help_is_there() {
    for arguments in [&["--help"][..], &["echo", "--help"], &["doctor", "--help"]] {
        let output = run(arguments);
        assert!(output.status.success() && output.stdout.len() > 200, "{arguments:?}");
    }
}
