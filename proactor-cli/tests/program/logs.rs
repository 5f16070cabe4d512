//! What is logged, in which form: RUST_LOG, --log and --trace-sessions.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{PATIENCE, interrupt, proactor, spawn};

/// Everything on standard error of an echo server that one client has said something to.
fn log_of(arguments: &[&str], filter: &str) -> Vec<String> {
    let mut command = proactor(&[&["echo", "--listen", "127.0.0.1:0", "--shards", "1"], arguments].concat());
    command.env("RUST_LOG", filter).stderr(Stdio::piped());
    let mut child = spawn(command);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut lines = Vec::new();
    let address: SocketAddr = loop {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended before it was ready: {lines:?}");
        let address = line.split([' ', ',', ';']).find_map(|word| word.parse().ok());
        lines.push(line.trim_end().to_owned());
        if let Some(address) = address.filter(|_| line.contains("echo on ")) {
            break address;
        }
    };
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"s3cret").unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
    drop(client);
    interrupt(&child);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    lines.extend(rest.lines().map(str::to_owned));
    assert!(!lines.iter().any(|line| line.contains("s3cret")), "no packet is logged: {lines:#?}");
    lines
}

#[test]
fn with_log_json_every_line_is_an_object_and_a_session_s_lines_name_it() {
    let lines = log_of(&["--log", "json", "--trace-sessions", "1"], "trace");
    let parsed = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<Value> = lines.iter().map(parsed).collect();
    for line in &lines {
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    let said = |line: &&Value, what: &str| line["message"].as_str().unwrap().contains(what);
    assert!(lines.iter().any(|line| said(&line, "echo on 127.0.0.1:")));
    assert!(lines.iter().any(|line| said(&line, "echo has ended: 1 session")));
    let own: Vec<&Value> = lines.iter().filter(|line| line["target"] == "proactor::session").collect();
    assert!(own.iter().all(|line| line["span"]["id"] == "0.0.0" && line["span"]["name"] == "session"), "{own:#?}");
    let first = own.first().unwrap();
    assert!(said(first, "accepted") && first["span"]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{first}");
    let last = own.last().unwrap();
    assert!(said(last, "ended") && last["span"]["reason"].is_string(), "{last}");
}

#[test]
fn rust_log_says_what_is_logged() {
    let session = |lines: &[String]| lines.iter().filter(|line| line.contains("session{id=0.0.0 ")).count();
    let all = log_of(&["--trace-sessions", "1"], "warn,proactor::session=info");
    assert!(session(&all) >= 3, "{all:#?}");
    assert!(!all.iter().any(|line| line.contains("DEBUG")), "{all:#?}");
    let mut usual = log_of(&["--trace-sessions", "1"], "");
    usual.retain(|line| !line.contains("falling back to the backend"));
    assert_eq!((session(&usual), usual.len()), (0, 2), "{usual:#?}");
    let none = log_of(&[], "info");
    assert_eq!(session(&none), 0, "{none:#?}");
    let wrong = log_of(&[], "proactor=loud");
    let warned = wrong.iter().any(|line| line.contains("WARN") && line.contains("RUST_LOG is not understood"));
    assert!(warned, "{wrong:#?}");
}
