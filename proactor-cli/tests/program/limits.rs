//! More clients than there may be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::harness::Echo;

#[test]
fn whoever_is_over_the_session_limit_is_turned_away_under_a_low_limit_of_files() {
    let program = env!("CARGO_BIN_EXE_proactor");
    let script = format!("ulimit -n 100; exec {program} echo --listen 127.0.0.1:0 --shards 1 --max-sessions 36");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script);
    let echo = Echo::of(shell);
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
