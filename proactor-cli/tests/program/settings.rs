//! Options of the servers: errors and help.

use crate::harness::{Running, run};
use crate::members::{Frames, Member};

#[test]
fn errors_name_the_bad_option_and_the_remedy() {
    let cases: [(&[&str], i32, &[&str]); 30] = [
        (&["--codec", "line"], 2, &["--codec", "lines", "length2", "fixed:N"]),
        (&["--codec", "fixed"], 2, &["--codec", "fixed:64"]),
        (&["--codec", "fixed:0"], 2, &["--codec", "at least 1"]),
        (&["--codec", "fixed:200000"], 2, &["--codec fixed:200000", "--outbox-bytes 262144", "400000"]),
        (&["--codec", "fixed:99999999999999"], 2, &["--codec", "at most 16777216"]),
        (&["--codec", "fixed:99999999999999999999"], 2, &["--codec", "at most 16777216"]),
        (&["--codec", "lines", "--max-frame", "1GiB"], 2, &["--max-frame", "at most 16MiB"]),
        (&["--codec", "fixed:9", "--max-frame", "9"], 2, &["--max-frame", "lines, length and length2"]),
        (&["--codec", "lines", "--max-frame", "0"], 2, &["--max-frame", "at least 1 byte"]),
        (&["--codec", "lines", "--max-frame", "200000"], 2, &["--max-frame 200000", "--outbox-bytes", "400004"]),
        (&["--codec", "length2", "--max-frame", "64KiB"], 2, &["--max-frame 65536", "65535", "--codec length"]),
        (&["--max-sessions", "0"], 2, &["--max-sessions", "at least 1"]),
        (&["--max-sessions-per-ip", "many"], 2, &["--max-sessions-per-ip", "1000"]),
        (&["--accept-rate", "0"], 2, &["--accept-rate", "at least 1"]),
        (&["--packet-rate", "5:"], 2, &["--packet-rate", "100:500"]),
        (&["--byte-rate", "fast"], 2, &["--byte-rate", "64KiB:1MiB"]),
        (&["--idle-timeout", "10"], 2, &["--idle-timeout", "10s"]),
        (&["--read-timeout", "0s"], 2, &["--read-timeout", "leave the option out"]),
        (&["--write-timeout", "181days"], 2, &["--write-timeout", "180 days"]),
        (&["--handshake-timeout", "x"], 2, &["--handshake-timeout", "500ms"]),
        (&["--codec", "raw", "--heartbeat", "1s"], 2, &["--heartbeat", "lines, length and length2"]),
        (&["--receive-timeout", "0s"], 2, &["--receive-timeout", "leave the option out"]),
        (
            &["--codec", "lines", "--receive-timeout", "30s", "--heartbeat", "30s"],
            2,
            &["--receive-timeout 30s", "longer than --heartbeat 30s"],
        ),
        (&["--heartbeat-always"], 2, &["--heartbeat <TIME>"]),
        (&["--keep-alive", "1ms"], 2, &["--keep-alive", "1s to 32767s", "0s to turn it off"]),
        (&["--keep-alive-probes", "128"], 2, &["--keep-alive-probes", "1 to 127"]),
        (&["--user-timeout", "30days"], 2, &["--user-timeout", "24 days"]),
        (&["--outbox-bytes", "2GiB"], 2, &["--outbox-bytes", "at most 1GiB"]),
        (&["--slow-consumer", "drop"], 2, &["--slow-consumer", "drop-oldest"]),
        (&["--shards", "257"], 2, &["--shards", "256"]),
    ];
    for command in ["echo", "chat"] {
        for (arguments, code, texts) in cases {
            let output = run(&[&[command, "--listen", "127.0.0.1:0"], arguments].concat());
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{command} {arguments:?}: {text}");
            for expected in texts {
                assert!(text.contains(expected), "{command} {arguments:?}: {expected:?} is not in {text:?}");
            }
        }
    }
    let output = run(&["chat", "--listen", "127.0.0.1:0", "--rooms", "--codec", "raw"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && text.contains("--rooms") && text.contains("--codec raw"), "{text}");
}

#[test]
fn help_lists_every_option_with_its_default() {
    for (command, codec) in [("echo", "[default: raw]"), ("chat", "[default: lines]")] {
        let help = String::from_utf8(run(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains(codec), "{help}");
        for flag in [
            "listen",
            "shards",
            "backend",
            "drain-timeout",
            "codec",
            "max-frame",
            "max-sessions",
            "max-sessions-per-ip",
            "accept-rate",
            "packet-rate",
            "byte-rate",
            "idle-timeout",
            "receive-timeout",
            "keep-alive",
            "keep-alive-interval",
            "keep-alive-probes",
            "user-timeout",
            "read-timeout",
            "write-timeout",
            "handshake-timeout",
            "heartbeat",
            "outbox-bytes",
            "slow-consumer",
        ] {
            let begin = help.find(&format!("--{flag} <")).unwrap_or_else(|| panic!("--{flag} is not in {help}"));
            let rest = &help[begin + 1..];
            let text = &rest[..rest.find("\n      --").unwrap_or(rest.len())];
            assert!(text.contains("[default: "), "{command} --{flag} has no default: {text}");
        }
    }
}

#[test]
fn echo_answers_packet_by_packet() {
    for (name, frames) in [
        ("lines", Frames::Lines),
        ("length", Frames::Length(4)),
        ("length2", Frames::Length(2)),
        ("fixed:5", Frames::Fixed(5)),
    ] {
        let echo = Running::echo(&["--listen", "127.0.0.1:0", "--codec", name, "--slow-consumer", "close"]);
        let mut client = Member::connect(&echo, frames);
        let (begin, end) = (&frames.of(b"hello")[..3], &frames.of(b"hello")[3..]);
        client.write(&[&frames.of(b"first"), begin].concat());
        assert_eq!(client.hear(), b"first", "{name}");
        client.write(end);
        assert_eq!(client.hear(), b"hello", "{name}");
    }
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--codec", "lines"]);
    let mut client = Member::connect(&echo, Frames::Lines);
    client.write(b"cr lf\r\n");
    assert_eq!(client.hear(), b"cr lf");
}
