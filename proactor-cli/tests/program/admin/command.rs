//! `proactor admin`: the same from a shell.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;

use serde_json::Value;

use crate::admin::client::{echo, file, start};
use crate::harness::run;

fn admin(address: &str, arguments: &[&str]) -> Output {
    run(&[&["admin", "--admin", address], arguments].concat())
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// What it prints if it succeeds.
pub(super) fn printed(address: SocketAddr, arguments: &[&str]) -> String {
    let output = admin(&address.to_string(), arguments);
    let (out, err) = said(&output);
    assert!(output.status.success() && err.is_empty(), "{arguments:?}: {err}");
    out
}

#[test]
fn tables_and_json_are_of_the_same_sessions() {
    let (mut server, address) = start("echo", &[]);
    let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        echo(client, &vec![b'x'; 100 * (number + 1)]);
    }
    let table = printed(address, &["sessions", "--sort", "-received", "--limit", "2"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[0].contains("RECEIVED"), "{table}");
    assert!(lines[1].contains(" 300 B ") && lines[2].contains(" 200 B "), "{table}");
    assert_eq!(lines[3], "1 to 2 of 3 sessions; --offset and --limit show others");
    let json: Value = serde_json::from_str(&printed(address, &["--json", "sessions", "--sort=-received"])).unwrap();
    let first = &json["sessions"][0];
    assert_eq!((json["total"].as_u64(), first["received_bytes"].as_u64()), (Some(3), Some(300)));
    let id = first["id"].as_str().unwrap();
    assert!(
        printed(address, &["session", id]).contains(&format!("peer            {}", first["peer"].as_str().unwrap()))
    );
    assert!(printed(address, &["status"]).contains("\nsessions               3\n"));
    assert!(printed(address, &["metrics"]).contains("# TYPE proactor_sessions gauge\n"));
    assert!(printed(address, &["groups"]).ends_with("0 groups\n"));
    assert_eq!((printed(address, &["ready"]), printed(address, &["health"])), ("ready\n".into(), "healthy\n".into()));
    assert_eq!(printed(address, &["log"]), "warn\n");
    assert_eq!(printed(address, &["log", "info"]), "info\n");
    assert_eq!(printed(address, &["close", id]), format!("session {id} is being closed\n"));
    assert_eq!(clients[2].read(&mut [0; 8]).unwrap(), 0);
    drop(clients);
    assert!(printed(address, &["drain", "--timeout", "5s"]).starts_with("the server is drained; "));
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let token = file("command-token", "0123456789abcdef0123\n");
    let wrong = file("command-wrong", "0123456789abcdef0124\n");
    let (token, wrong) = (token.to_str().unwrap(), wrong.to_str().unwrap());
    let (_server, address) = start("echo", &["--admin-token-file", token]);
    let address = &address.to_string();
    // It answers, but not as an admin listener does.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = silent.local_addr().unwrap().to_string();
    let closing = std::thread::spawn(move || {
        let (mut stream, _) = silent.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
        // The first bytes are enough to give it up.
        let _ = stream.read(&mut [0; 1024]);
    });
    for (address, arguments, expected) in [
        (address.as_str(), vec!["status"], "a token is needed"),
        (address, vec!["status", "--admin-token-file", wrong], "the token is wrong"),
        (address, vec!["--admin-token-file", token, "session", "abc"], "\"abc\" is not the name of a session"),
        (address, vec!["--admin-token-file", token, "close", "0.5.0"], "there is no session 0.5.0"),
        (address, vec!["--admin-token-file", token, "sessions", "--sort", "size"], "sort=size: must be one of"),
        (address, vec!["--admin-token-file", token, "reload"], "there is nothing to reload"),
        ("127.0.0.1:1", vec!["status"], "was it started with --admin 127.0.0.1:1?"),
        (
            "unix:/nonexistent/admin.sock",
            vec!["status"],
            "could not connect to the admin listener at unix:/nonexistent",
        ),
        (other.as_str(), vec!["status"], "does not speak HTTP: is it a server's --admin?"),
    ] {
        let output = admin(address, &arguments);
        let (out, err) = said(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "{arguments:?}: {err}");
        assert!(err.starts_with("proactor: ") && err.contains(expected), "{arguments:?}: {err}");
    }
    closing.join().unwrap();
    let with = admin(address, &["status", "--admin-token-file", token]);
    assert!(with.status.success(), "{:?}", said(&with));
    std::fs::remove_file(token).unwrap();
    std::fs::remove_file(wrong).unwrap();
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_asked_and_is_gone_with_its_server() {
    use crate::harness::{Running, proactor};
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("admin-{}.sock", std::process::id()));
    let address = format!("unix:{}", path.display());
    let mut server = Running::of(proactor(&["echo", "--listen", "127.0.0.1:0", "--admin", &address]));
    assert!(server.line.trim_end().ends_with(&format!("; admin on {address}")), "{}", server.line);
    let (out, err) = said(&admin(&address, &["sessions"]));
    assert!(out.ends_with("0 sessions\n"), "{err}");
    assert!(admin(&address, &["drain"]).status.success());
    assert_eq!(server.ended().code(), Some(0));
    assert!(!path.exists());
}
