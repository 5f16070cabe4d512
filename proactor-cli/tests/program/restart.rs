//! A server that was killed is started again at once.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, Running, run, uring};
use crate::reserved::Reserved;

fn backends() -> &'static [&'static str] {
    if uring() { &["uring", "poll"] } else { &["poll"] }
}

#[test]
fn a_killed_server_starts_again_at_once_on_its_port() {
    for backend in backends() {
        let free = Reserved::for_a_server();
        let address = free.address.to_string();
        for round in 0..15 {
            // It panics if the server does not start.
            let mut echo = Running::echo(&["--listen", &address, "--backend", backend, "--shards", "2"]);
            let mut stream = TcpStream::connect(free.address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap_or_else(|error| panic!("{backend}, round {round}: {error}"));
            echo.child.kill().unwrap();
            echo.child.wait().unwrap();
        }
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.sock", std::process::id()))
}

#[test]
fn a_killed_server_starts_again_at_once_on_its_path() {
    for backend in backends() {
        let path = path(&format!("restart-{backend}"));
        let address = format!("unix:{}", path.display());
        for round in 0..15 {
            let mut echo = Running::echo(&["--listen", &address, "--backend", backend, "--shards", "2"]);
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap_or_else(|error| panic!("{backend}, round {round}: {error}"));
            echo.child.kill().unwrap();
            echo.child.wait().unwrap();
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn the_holder_of_an_address_is_not_probed() {
    let path = path("held");
    let holder = UnixListener::bind(&path).unwrap();
    holder.set_nonblocking(true).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    for address in [format!("unix:{}", path.display()), tcp.local_addr().unwrap().to_string()] {
        let begun = Instant::now();
        let output = run(&["echo", "--listen", &address]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&address) && text.contains("in use") && text.contains("; "), "{text}");
        assert!(begun.elapsed() >= Duration::from_secs(1), "it was tried again for a second");
    }
    let nobody = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    assert!(holder.accept().is_err_and(nobody), "the holder of the path was connected to");
    assert!(tcp.accept().is_err_and(nobody), "the holder of the port was connected to");
    drop(holder);
    std::fs::remove_file(&path).unwrap();
}
