//! Upgrades of the running program: a new process takes over, and no connection is refused or cut.
//!
//! PROACTOR_TEST_UPGRADES and PROACTOR_TEST_SHORT_CONNECTIONS say how many hand-overs and short
//! connections there are; 4 and 2,000 if not.

mod failing;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::harness::{PATIENCE, proactor, uring, variable, wait_until};

/// A directory for one test, removed when it has ended.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("upgrade-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server and its successors, which write to one standard error. Ends them when it is dropped.
struct Family {
    first: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    pid_file: PathBuf,
}

impl Family {
    fn start(program: &Path, directory: &Directory, arguments: &[&str]) -> Family {
        let pid_file = directory.0.join("server.pid");
        let mut command = Command::new(program);
        command.args(arguments).arg("--pid-file").arg(&pid_file).stdin(Stdio::null()).stdout(Stdio::null());
        let mut first = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(first.stderr.take().unwrap());
        let (said, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Family { first, lines, seen: Vec::new(), pid_file }
    }

    /// The next line with this in it.
    fn line(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { panic!("never said {part:?}: {:#?}", self.seen) };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits until a server is ready. Returns where it listens.
    fn ready(&mut self) -> Vec<SocketAddr> {
        let line = self.line("; backend ");
        line.split([' ', ',', ';']).filter_map(|word| word.parse().ok()).collect()
    }

    /// The process that serves now.
    fn serving(&self) -> Pid {
        let text = fs::read_to_string(&self.pid_file).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }

    fn ask(&self, signal: Signal) {
        kill_process(self.serving(), signal).unwrap();
    }

    /// Upgrades, and waits until the new process serves.
    fn upgrade(&mut self) {
        let before = self.serving();
        self.ask(Signal::USR2);
        self.line(" has taken over; ");
        assert_ne!(self.serving(), before, "the pid file names the new process");
    }

    /// Ends the one that serves, and waits until all have ended. Returns the number of sessions
    /// that were cut.
    fn end(&mut self) {
        let last = self.serving();
        self.ask(Signal::TERM);
        // Nobody else has the pipe.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        self.first.wait().unwrap();
        wait_until("the last has ended", || test_kill_process(last).is_err() || last == Pid::from_child(&self.first));
        assert!(!self.pid_file.exists(), "its owner has removed it");
    }

    /// How often all of them together said this.
    fn count(&self, part: &str) -> usize {
        self.seen.iter().filter(|line| line.contains(part)).count()
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if self.pid_file.exists() {
            let _ = kill_process(self.serving(), Signal::KILL);
        }
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}

fn program() -> PathBuf {
    PathBuf::from(proactor(&[]).get_program())
}

fn number(name: &str, otherwise: usize) -> usize {
    variable(name).map_or(otherwise, |value| value.to_str().unwrap().parse().unwrap())
}

fn echoes(mut client: impl Read + Write, what: &str) -> std::io::Result<()> {
    client.write_all(what.as_bytes())?;
    let mut back = vec![0; what.len()];
    client.read_exact(&mut back)?;
    assert_eq!(back, what.as_bytes());
    Ok(())
}

/// One short connection.
fn converse(address: SocketAddr, number: usize) -> std::io::Result<()> {
    let client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    echoes(client, &format!("{number}\n"))
}

/// Says that it is over when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes short connections all the while, from several threads, and upgrades again and again.
fn under_load(name: &str, arguments: &[&str]) {
    let directory = Directory::new(name);
    let (upgrades, most) = (number("PROACTOR_TEST_UPGRADES", 4), number("PROACTOR_TEST_SHORT_CONNECTIONS", 2000));
    let mut family = Family::start(&program(), &directory, arguments);
    let address = family.ready()[0];
    let (made, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        // Also if an upgrade fails.
        let _over = Over(&is_over);
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = made.fetch_add(1, Ordering::Relaxed);
                        if is_over.load(Ordering::Relaxed) && number >= most {
                            return;
                        }
                        converse(address, number).unwrap_or_else(|error| panic!("connection {number}: {error}"));
                    }
                })
            })
            .collect();
        for round in 1..=upgrades {
            wait_until("its part of the connections is made, or a client has failed", || {
                made.load(Ordering::Relaxed) >= most * round / (upgrades + 1)
                    || clients.iter().any(|client| client.is_finished())
            });
            family.upgrade();
        }
    });
    family.end();
    let cut = family.count(" cut") - family.count(" whole, 0 cut");
    assert_eq!((family.count(" has ended: "), cut), (upgrades + 1, 0), "{:#?}", family.seen);
}

#[test]
fn short_connections_are_neither_refused_nor_cut() {
    under_load("load", &["echo", "--listen", "127.0.0.1:0", "--codec", "lines", "--shards", "2"]);
}

#[test]
fn nor_with_poll() {
    under_load(
        "load-poll",
        &["echo", "--listen", "127.0.0.1:0", "--codec", "lines", "--shards", "2", "--backend", "poll"],
    );
}

#[test]
fn nor_with_direct_descriptors() {
    if uring() {
        under_load(
            "load-direct",
            &["echo", "--listen", "127.0.0.1:0", "--codec", "lines", "--shards", "2", "--direct-descriptors"],
        );
    }
}

#[test]
fn sessions_end_with_the_old_process_and_a_path_stays_with_the_new_one() {
    let directory = Directory::new("path");
    let path = directory.file("echo.sock");
    let place = format!("unix:{path}");
    let arguments = ["echo", "--listen", &place, "--listen", "127.0.0.1:0", "--codec", "lines"];
    let mut family = Family::start(&program(), &directory, &arguments);
    let address = *family.ready().first().unwrap();
    let mut busy = TcpStream::connect(address).unwrap();
    busy.set_read_timeout(Some(PATIENCE)).unwrap();
    busy.write_all(b"begun ").unwrap();
    let idle = UnixStream::connect(&path).unwrap();
    idle.set_read_timeout(Some(PATIENCE)).unwrap();
    echoes(&idle, "hello\n").unwrap();
    family.upgrade();
    // The old process closes idle sessions, and waits for the others.
    assert_eq!((&idle).read(&mut [0]).unwrap(), 0);
    for _ in 0..3 {
        echoes(UnixStream::connect(&path).unwrap(), "the new one\n").unwrap();
        converse(address, 7).unwrap();
    }
    busy.write_all(b"and ended\n").unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "begun and ended\n");
    family.line(" whole, 0 cut");
    assert!(Path::new(&path).exists(), "the old process leaves the path");
    family.end();
    assert!(!Path::new(&path).exists(), "the last one removes it");
}

/// A program that can be replaced.
fn replaceable(directory: &Directory) -> PathBuf {
    let path = directory.0.join("proactor");
    std::os::unix::fs::symlink(program(), &path).unwrap();
    path
}

fn replace(path: &Path, script: &str) {
    let beside = path.with_extension("new");
    // By a process of its own: a child that another test starts would have a file that this one
    // writes until it is another program, and nobody can start a file that is still written to.
    let written = Command::new("sh")
        .args(["-c", r##"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""##])
        .arg(&beside)
        .arg(script)
        .status()
        .unwrap();
    assert!(written.success());
    fs::rename(&beside, path).unwrap();
}

#[test]
fn a_new_client_that_says_nothing_yet_is_answered_and_one_that_never_does_holds_up_nothing_for_long() {
    let directory = Directory::new("silent");
    let arguments = ["echo", "--listen", "127.0.0.1:0", "--codec", "lines", "--drain-timeout", "1h"];
    let mut family = Family::start(&program(), &directory, &arguments);
    let address = family.ready()[0];
    let clients: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    family.upgrade();
    let (late, silent) = clients.split_at(3);
    for client in late {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        echoes(client, "late\n").unwrap();
    }
    for client in silent {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let end = (&mut &*client).read(&mut [0]);
        assert!(
            end.as_ref().is_ok_and(|bytes| *bytes == 0)
                || end.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
            "{end:?}"
        );
    }
    family.line(" has ended: ");
    family.end();
}

#[test]
fn a_proxy_header_that_never_comes_does_not_hold_up_the_drain() {
    let directory = Directory::new("header");
    let arguments = [
        "echo",
        "--listen",
        "127.0.0.1:0",
        "--codec",
        "lines",
        "--proxy-protocol",
        "required",
        "--drain-timeout",
        "1h",
    ];
    let mut family = Family::start(&program(), &directory, &arguments);
    let address = family.ready()[0];
    let silent = TcpStream::connect(address).unwrap();
    let late = TcpStream::connect(address).unwrap();
    late.set_read_timeout(Some(PATIENCE)).unwrap();
    family.upgrade();
    (&late).write_all(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n").unwrap();
    echoes(&late, "late\n").unwrap();
    family.line(" has ended: ");
    drop(silent);
    family.end();
}

#[test]
fn listeners_for_datagrams_are_not_handed_over_and_the_log_says_why() {
    let directory = Directory::new("datagrams");
    let arguments = ["echo", "--listen", "127.0.0.1:0", "--datagrams"];
    let mut family = Family::start(&program(), &directory, &arguments);
    family.ready();
    family.ask(Signal::USR2);
    let said = family.line("this server goes on");
    assert!(said.contains("listeners for datagrams"), "{said}");
    family.end();
}

#[cfg(feature = "admin")]
#[test]
fn the_admin_listener_goes_to_the_new_process_which_it_can_be_asked_for() {
    let directory = Directory::new("admin");
    let admin = format!("unix:{}", directory.file("admin.sock"));
    let arguments = ["echo", "--listen", "127.0.0.1:0", "--codec", "lines", "--admin", &admin];
    let mut family = Family::start(&program(), &directory, &arguments);
    let address = family.ready()[0];
    let ask = |question: &str| {
        let output = proactor(&["admin", "--admin", &admin, question]).output().unwrap();
        assert!(output.status.success(), "{question}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for _ in 0..2 {
        let before = family.serving();
        // A session at work keeps the old process.
        let mut working = TcpStream::connect(address).unwrap();
        working.write_all(b"half a ").unwrap();
        let said = ask("upgrade");
        let now = family.serving();
        assert!(now != before && said.contains(&format!("process {} serves now", now.as_raw_nonzero())), "{said}");
        family.line(" has taken over; ");
        wait_until("the new one answers", || ask("status").contains(&now.as_raw_nonzero().to_string()));
        assert_eq!(ask("ready"), "ready\n");
        working.write_all(b"line\n").unwrap();
        working.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut answer = String::new();
        working.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "half a line\n");
    }
    family.end();
}
