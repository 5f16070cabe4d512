//! Listening on a Unix socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, Running, run};

#[test]
fn a_unix_socket_is_removed_at_the_end_and_taken_over_from_a_dead_server() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(format!("echo-{}.sock", std::process::id()));
    let address = format!("unix:{}", path.display());
    let exchange = || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut back = String::new();
        stream.read_to_string(&mut back).unwrap();
        assert_eq!(back, "hello");
    };
    let mut echo = Running::echo(&["--listen", &address, "--shards", "2"]);
    assert!(echo.line.contains(&address), "{}", echo.line);
    exchange();
    let second = run(&["echo", "--listen", &address]);
    let text = String::from_utf8(second.stderr).unwrap();
    assert!(
        second.status.code() == Some(1) && text.contains(&address) && text.contains("choose another path"),
        "{text}"
    );
    exchange();
    echo.child.kill().unwrap();
    echo.ended();
    assert!(path.exists(), "nobody removed it");
    // The kernel closes what a ring still holds only some time after its process has ended.
    let end = Instant::now() + PATIENCE;
    while UnixStream::connect(&path).is_ok() {
        assert!(Instant::now() < end, "the listener of a process that has ended is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut echo = Running::echo(&["--listen", &address]);
    exchange();
    echo.interrupt();
    assert_eq!(echo.ended().code(), Some(0));
    assert!(!path.exists(), "it is left behind");
}
