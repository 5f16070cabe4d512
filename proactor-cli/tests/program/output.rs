//! Output that cannot be written: a full disk, a pipe that nobody reads.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use crate::harness::{PATIENCE, Running, interrupt, proactor, spawn, wait_until, windows, without_fallback};
use crate::reserved::Reserved;

/// A file on a full disk.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads.
fn broken() -> Stdio {
    let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdin.take().unwrap();
    child.wait().unwrap();
    pipe.into()
}

fn ended(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The system's code for a full disk.
fn disk_full() -> &'static str {
    if windows() { "os error 112" } else { "os error 28" }
}

/// Commands whose product is what they print.
const PRINTING: [&[&str]; 5] = [&["doctor"], &["doctor", "--json"], &["--help"], &["echo", "--help"], &["--version"]];

#[test]
fn a_command_that_cannot_print_says_why_and_exits_with_1() {
    for arguments in PRINTING {
        let output = proactor(arguments).stdout(full()).output().unwrap();
        let text = without_fallback(&String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(
            text.starts_with("proactor: could not write to standard output: ") && text.contains(disk_full()),
            "{arguments:?}: {text}"
        );
    }
}

#[test]
fn a_command_whose_reader_leaves_ends_quietly() {
    for arguments in PRINTING {
        let output = proactor(arguments).stdout(broken()).output().unwrap();
        let text = without_fallback(&String::from_utf8(output.stderr).unwrap());
        assert_eq!((output.status.code(), text.as_str()), (Some(1), ""), "{arguments:?}");
    }
}

#[test]
fn errors_keep_their_exit_status_where_they_cannot_be_printed() {
    for (arguments, code) in [
        (&["echo", "--listen", "203.0.113.1:7777"][..], 1),
        (&["echo", "--no-such-option"], 2),
        (&["bench", "--connect", "127.0.0.1:1", "--connections", "1", "--duration", "1s"], 1),
    ] {
        for stderr in [full().into(), broken()] {
            let status = proactor(arguments).stderr(stderr).status().unwrap();
            assert_eq!(status.code(), Some(code), "{arguments:?}");
        }
    }
}

#[test]
fn a_server_serves_and_drains_without_a_standard_error() {
    for stderr in [full().into(), broken()] {
        let free = Reserved::for_a_server();
        let address = free.address.to_string();
        let mut command = proactor(&["echo", "--listen", &address]);
        command.stdout(full()).stderr(stderr);
        let mut child = spawn(command);
        let mut stream = None;
        wait_until("it serves", || {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            stream = std::net::TcpStream::connect(&address).ok();
            stream.is_some()
        });
        let mut stream = stream.unwrap();
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        interrupt(&child);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        drop(stream);
        assert_eq!(ended(&mut child).code(), Some(0));
    }
}

#[test]
fn a_proxy_logs_into_nothing_and_goes_on() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = upstream.local_addr().unwrap();
    for full_disk in [true, false] {
        let free = Reserved::for_a_server();
        let address = free.address.to_string();
        let mut command = proactor(&["proxy", "--listen", &address, "--upstream", &to.to_string(), "--shards", "1"]);
        command.stderr(if full_disk { full().into() } else { broken() });
        let mut child = spawn(command);
        let connect = || {
            let stream = std::net::TcpStream::connect(&address).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Some(stream)
        };
        let mut client = None;
        wait_until("it serves", || {
            client = connect();
            client.is_some()
        });
        for _ in 0..3 {
            let mut client = client.take().or_else(connect).unwrap();
            let (mut server, _) = upstream.accept().unwrap();
            server.write_all(b"through").unwrap();
            client.read_exact(&mut [0; 7]).unwrap();
        }
        interrupt(&child);
        assert_eq!(ended(&mut child).code(), Some(0));
    }
}

#[test]
fn the_log_of_a_proxy_may_fail_while_its_upstream_comes_and_goes() {
    let (upstream, free) = (Reserved::new(), Reserved::for_a_server());
    let address = free.address.to_string();
    let mut command = proactor(&["proxy", "--listen", &address, "--upstream", &upstream.address.to_string()]);
    command.stderr(full());
    let mut child = spawn(command);
    let mut refused = None;
    wait_until("it serves", || {
        refused = std::net::TcpStream::connect(&address).ok();
        refused.is_some()
    });
    let mut refused = refused.unwrap();
    refused.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(refused.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let listener = upstream.listen();
    let mut client = std::net::TcpStream::connect(&address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    // "Can be reached again" is logged within a call for the upstream's session.
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"through").unwrap();
    client.read_exact(&mut [0; 7]).unwrap();
    drop((client, server));
    interrupt(&child);
    assert_eq!(ended(&mut child).code(), Some(0));
}

#[test]
fn bench_writes_its_files_although_its_table_cannot_be_printed() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0"]);
    let to = echo.addresses[0].to_string();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("output-{}.json", std::process::id()));
    let path = file.to_str().unwrap().to_owned();
    let arguments =
        ["bench", "--connect", &to, "--connections", "1", "--duration", "100ms", "--warmup", "0s", "--json", &path];
    let output = proactor(&arguments).stdout(full()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("could not write to standard output"), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert!(json.is_object());
    std::fs::remove_file(&file).unwrap();
    // The reader of the table leaves; the load is measured all the same.
    let status = proactor(&arguments[..9]).stdout(broken()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn bench_may_write_its_json_to_a_device_and_tells_of_a_full_one() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0"]);
    let to = echo.addresses[0].to_string();
    for (path, code) in [("/dev/null", 0), ("/dev/full", 1)] {
        let output = proactor(&[
            "bench",
            "--connect",
            &to,
            "--connections",
            "1",
            "--duration",
            "100ms",
            "--warmup",
            "0s",
            "--json",
            path,
        ])
        .output()
        .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{path}: {text}");
        assert_eq!(text.contains("could not write to /dev/full"), code == 1, "{text}");
        assert!(!output.stdout.is_empty(), "the table is printed");
    }
}

#[test]
fn bench_opens_its_files_before_the_load() {
    // Nobody listens there: a load would end with another error.
    let output = proactor(&["bench", "--connect", "127.0.0.1:1", "--json", "/no-such-directory/out.json"]);
    let output = { output }.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("--json /no-such-directory/out.json")
            && (text.contains("No such file") || text.contains("os error 3)")),
        "{text}"
    );
}
