//! What systemd is told: with a socket of the test's own in its place.

use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{PATIENCE, Running, proactor};

/// A service manager, which reads at once what it is sent: its socket holds ten messages.
struct Manager {
    messages: Receiver<String>,
    path: PathBuf,
}

impl Manager {
    fn new(name: &str) -> Manager {
        // Not in the target directory, whose path may be too long for a socket.
        let path = std::env::temp_dir().join(format!("proactor-{name}-{}", std::process::id()));
        let socket = UnixDatagram::bind(&path).unwrap();
        let (read, messages) = channel();
        // It ends with the test, or when nobody wants what it reads.
        std::thread::spawn(move || while read.send(next(&socket)).is_ok() {});
        Manager { messages, path }
    }

    fn next(&self) -> String {
        self.messages.recv_timeout(PATIENCE).expect("a message in time")
    }

    /// The next message that begins so.
    fn next_of(&self, begin: &str) -> String {
        loop {
            let message = self.next();
            if message.starts_with(begin) {
                return message;
            }
        }
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = proactor(&[&["echo", "--listen", "127.0.0.1:0", "--shards", "2"], arguments].concat());
        command.env("NOTIFY_SOCKET", &self.path).env("WATCHDOG_USEC", "100000");
        Running::of(command)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn next(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 1024];
    let length = socket.recv(&mut bytes).expect("a message");
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[test]
fn the_manager_hears_that_the_server_is_ready_well_busy_and_ending() {
    let manager = Manager::new("notify");
    let mut server = manager.start(&["--codec", "lines", "--drain-timeout", "1h"]);
    let pid = server.child.id();
    assert_eq!(manager.next(), format!("READY=1\nMAINPID={pid}\nSTATUS=0 sessions"));
    assert_eq!(manager.next_of("WATCHDOG"), "WATCHDOG=1");
    assert_eq!(manager.next_of("WATCHDOG"), "WATCHDOG=1");
    let mut client = server.connect();
    assert_eq!(manager.next_of("STATUS=1"), "STATUS=1 session");
    client.write_all(b"x\ny").unwrap();
    client.read_exact(&mut [0; 2]).unwrap();
    server.interrupt();
    assert_eq!(manager.next_of("STOPPING"), "STOPPING=1");
    assert_eq!(manager.next_of("STATUS"), "STATUS=draining: 1 session left");
    assert!(manager.next_of("WATCHDOG").contains("\nEXTEND_TIMEOUT_USEC="), "a drain has its time");
    client.write_all(b"\n").unwrap();
    client.read_exact(&mut [0; 2]).unwrap();
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(manager.next_of("STOPPING"), "STOPPING=1\nSTATUS=the server has ended");
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_may_have_an_abstract_name() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let name = format!("proactor-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = proactor(&["echo", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", format!("@{name}")).env_remove("WATCHDOG_USEC");
    let server = Running::of(command);
    assert!(next(&socket).starts_with("READY=1\n"));
    server.summary();
    assert!(next(&socket).starts_with("STOPPING=1"), "there is no watchdog");
}

#[test]
fn a_server_goes_on_without_a_manager_that_cannot_be_told() {
    for (place, said) in [("/nowhere/at/all", "could not be told"), ("relative", "told nothing")] {
        let mut command = proactor(&["echo", "--listen", "127.0.0.1:0"]);
        command.env("NOTIFY_SOCKET", place).env("WATCHDOG_USEC", "10000");
        let mut server = Running::of(command);
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        server.interrupt();
        assert_eq!(server.ended().code(), Some(0));
        let log = server.log.clone() + &server.rest_of_log().0;
        assert_eq!(log.matches(said).count(), 1, "once: {log}");
    }
}

#[test]
fn the_manager_hears_of_a_new_main_process_and_gives_it_the_whole_time_of_the_watchdog() {
    let manager = Manager::new("hand-over");
    let mut server = manager.start(&[]);
    let first = server.child.id();
    assert!(manager.next_of("READY=1").contains(&format!("\nMAINPID={first}\n")));
    kill_process(Pid::from_child(&server.child), Signal::USR2).unwrap();
    let told = manager.next_of("MAINPID=");
    let second: i32 = told.lines().next().and_then(|line| line["MAINPID=".len()..].parse().ok()).unwrap();
    let result = std::panic::catch_unwind(|| {
        assert_eq!(told, format!("MAINPID={second}\nREADY=1\nWATCHDOG=1"));
        assert_ne!(second, i32::try_from(first).unwrap());
    });
    let _ = kill_process(Pid::from_raw(second).unwrap(), Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
    result.unwrap();
}
