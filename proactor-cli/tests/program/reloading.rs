//! SIGHUP, and a request for a reload, with a configuration file: what can change does, and what
//! cannot is named.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Running, proactor, wait_until};

/// A server with a file, which the test changes.
struct Configured {
    server: Running,
    file: PathBuf,
}

impl Configured {
    fn start(name: &str, text: &str, flags: &[&str]) -> Configured {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.toml", std::process::id()));
        fs::write(&file, text).unwrap();
        let server = Running::of(proactor(&[&["run", file.to_str().unwrap()], flags].concat()));
        Configured { server, file }
    }

    fn write(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
    }

    /// The lines that SIGHUP logs, without what each begins with.
    fn hang_up(&mut self, lines: usize) -> Vec<String> {
        kill_process(Pid::from_child(&self.server.child), Signal::HUP).unwrap();
        let mut next = || {
            let line = self.server.next_line();
            line.trim_end().strip_prefix("proactor: SIGHUP: ").unwrap_or_else(|| panic!("{line}")).to_owned()
        };
        (0..lines).map(|_| next()).collect()
    }

    /// A new client, if it is served.
    fn served(&self) -> Option<TcpStream> {
        let mut client = self.server.try_connect().ok()?;
        client.write_all(b"x").and_then(|()| client.read_exact(&mut [0])).ok()?;
        Some(client)
    }

    /// Whether a new client is served.
    fn serves(&self) -> bool {
        self.served().is_some()
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

const BEGIN: &str = "command = \"echo\"\nlisten = [\"127.0.0.1:0\"]\n";

#[test]
fn a_hang_up_takes_over_what_can_change_and_names_what_needs_a_restart() {
    let with = |more: &str| format!("{BEGIN}{more}");
    let mut echo = Configured::start("hang-up", &with("max-sessions = 2\n"), &["--byte-rate", "1MiB"]);
    // A connection alone may still wait to be accepted.
    let first = echo.served().expect("there is room");
    assert!(echo.serves());
    assert_eq!(echo.hang_up(1), ["the configuration has not changed"]);

    echo.write(&with("max-sessions = 1\nbyte-rate = 5\nshards = 3\nlog-level = \"debug\"\n"));
    // What a flag sets is not changed by the file.
    let lines = echo.hang_up(3);
    assert_eq!(lines[0], "in force now: max-sessions = 1");
    assert_eq!(lines[1], "in force now: log-level = \"debug\"");
    assert_eq!(lines[2], "has changed, and needs a restart: shards");
    assert!(!echo.serves(), "one session is there already");
    drop(first);
    // The log has debug lines now.
    wait_until("a session's end is logged", || echo.server.next_line().contains("DEBUG"));
    wait_until("there is room again", || echo.serves());
}

#[test]
fn a_file_with_a_fault_changes_nothing() {
    let mut echo = Configured::start("faulty", &format!("{BEGIN}max-sessions = 1\n"), &[]);
    let _first = echo.served().expect("there is room");
    for (text, said) in [
        ("max-sesions = 5\n", "did you mean 'max-sessions'?"),
        ("max-sessions = 5\nmax-sessions-per-ip = -1\n", "max-sessions-per-ip"),
        ("max-sessions = 9_999_999_999\n", "max-sessions stays as it was: --max-sessions 9999999999 needs"),
    ] {
        echo.write(&format!("{BEGIN}{text}"));
        let lines = echo.hang_up(1);
        assert!(lines[0].contains(said), "{lines:?}");
        assert!(!echo.serves(), "{text}");
    }
    fs::remove_file(&echo.file).unwrap();
    let lines = echo.hang_up(1);
    assert!(lines[0].contains("stays as it was") && lines[0].contains("could not read"), "{lines:?}");
    echo.write(&format!("{BEGIN}max-sessions = 5\n"));
    assert_eq!(echo.hang_up(1), ["in force now: max-sessions = 5"]);
    wait_until("there is room", || echo.serves());
}

#[cfg(feature = "admin")]
#[test]
fn the_admin_listener_reloads_the_same() {
    use crate::admin::client::{ask, get};

    let with = |more: &str| format!("{BEGIN}admin = \"127.0.0.1:0\"\n{more}");
    let echo = Configured::start("by-admin", &with("max-sessions-per-ip = 9\n"), &[]);
    let admin = echo.server.line.split_once("admin on http://").unwrap().1;
    let admin = admin.split('/').next().unwrap().parse().unwrap();
    let most = |expected: u64| assert_eq!(get(admin, "/status")["most_sessions"], expected);
    echo.write(&with("max-sessions = 7\nidle-timeout = \"1h\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n"));
    let answer = ask(admin, "POST", "/reload");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let done = answer.json();
    assert_eq!(done["reloaded"], serde_json::json!(["max-sessions = 7", "max-sessions-per-ip is not set"]));
    assert_eq!(done["needs_restart"], serde_json::json!(["[[listener]] 1", "idle-timeout"]));
    most(7);
    echo.write("nonsense\n");
    let failed = ask(admin, "POST", "/reload");
    assert!(failed.status == 500 && failed.error().contains("the configuration stays as it was"), "{}", failed.body);
    most(7);
}
