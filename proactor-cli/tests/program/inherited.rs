//! A server on sockets that it was started with, as systemd's socket activation starts it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::{PATIENCE, Running, proactor, wait_until};
use crate::reserved::Reserved;

/// Passes two sockets as descriptors 3 and 4, and says that they are for the process that the shell
/// becomes.
const SPAWNER: &str = "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\"";

fn spawner(sockets: [OwnedFd; 2], names: Option<&str>, arguments: &[&str]) -> Command {
    let program = proactor(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", SPAWNER]).arg(program.get_program()).args(arguments);
    if let Some(names) = names {
        command.env("LISTEN_FDNAMES", names);
    }
    let [one, other] = sockets;
    command.stdin(one).stdout(other).stderr(Stdio::piped());
    command
}

fn listening() -> (OwnedFd, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket.into(), address)
}

fn echoes(mut client: impl Read + Write) {
    client.write_all(b"hello\n").unwrap();
    let mut back = [0; 6];
    client.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello\n");
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn fault_of(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn listeners_use_the_sockets_of_their_addresses() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("inherited-{}.sock", std::process::id()));
    for backend in ["auto", "poll"] {
        let (tcp, address) = listening();
        let early = connect(address);
        let unix = UnixListener::bind(&path).unwrap();
        let at = address.to_string();
        let place = format!("unix:{}", path.display());
        let arguments = ["echo", "--backend", backend, "--listen", &at, "--listen", &place];
        let mut echo = Running::of(spawner([tcp, unix.into()], None, &arguments));
        assert!(echo.line.contains(&format!("echo on {address}, {place};")), "{}", echo.line);
        echoes(early);
        echoes(UnixStream::connect(&path).unwrap());
        echo.interrupt();
        assert_eq!(echo.ended().code(), Some(0));
        assert!(TcpStream::connect(address).is_err(), "the socket is closed with the server");
        std::fs::remove_file(&path).expect("the path is left to who made it");
    }
}

#[cfg(feature = "admin")]
#[test]
fn the_admin_listener_uses_the_socket_of_that_name() {
    let ((own, address), (admin, admin_address)) = (listening(), listening());
    let (at, admin_at) = (address.to_string(), admin_address.to_string());
    let arguments = ["echo", "--listen", &at, "--admin", &admin_at];
    let echo = Running::of(spawner([own, admin], Some("proactor:admin"), &arguments));
    assert!(echo.line.contains(&format!("admin on http://{admin_address}/")), "{}", echo.line);
    echoes(connect(address));
    let mut client = connect(admin_address);
    client.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(echo);
    let ((own, address), (admin, admin_address)) = (listening(), listening());
    let fault = fault_of(spawner([own, admin], Some("x:admin"), &["echo", "--listen", &address.to_string()]));
    assert!(fault.contains(&admin_address.to_string()) && fault.contains("there is no --admin"), "{fault}");
}

#[test]
fn a_socket_that_nothing_listens_on_is_an_error_that_names_it() {
    let ((one, address), (other, forgotten)) = (listening(), listening());
    let fault = fault_of(spawner([one, other], None, &["echo", "--listen", &address.to_string()]));
    assert!(fault.contains(&format!("of no listener: {forgotten}; the server listens on {address}")), "{fault}");
    let (one, address) = listening();
    let file = File::open("/").unwrap();
    let fault = fault_of(spawner([one, file.into()], None, &["echo", "--listen", &address.to_string()]));
    assert!(fault.contains("LISTEN_FDS") && fault.contains("it is no socket"), "{fault}");
}

#[test]
fn variables_of_another_process_are_not_taken_for_its_own() {
    let mut command = proactor(&["echo", "--listen", "127.0.0.1:0"]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    echoes(Running::of(command).connect());
}

#[test]
fn systemd_starts_it_when_the_first_client_comes() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        return eprintln!("systemd-socket-activate is not installed");
    }
    let free = Reserved::for_a_server();
    let address = free.address;
    let at = address.to_string();
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--listen", &at, "--fdname", "proactor"]).arg(proactor(&[]).get_program());
    command.args(["echo", "--listen", &at]).stdin(Stdio::null()).stdout(Stdio::null());
    // It starts the server when somebody connects.
    let client = std::thread::spawn(move || {
        let mut client = None;
        wait_until("it listens", || {
            client = TcpStream::connect(address).ok();
            client.is_some()
        });
        client.unwrap()
    });
    let mut echo = Running::of(command);
    assert_eq!(echo.addresses, [address]);
    let client = client.join().unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    echoes(client);
    echo.interrupt();
    assert_eq!(echo.ended().code(), Some(0));
}
