//! `proactor bench` against `proactor echo` and against faulty servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::thread;

use serde_json::Value;

use crate::harness::{Running, backend, interrupt, proactor, run, spawn};
use crate::reserved::Reserved;

/// A short run with JSON on standard output.
fn bench(address: SocketAddr, arguments: &[&str]) -> Output {
    bench_for("300ms", address, arguments)
}

/// A run that ends by its first error, however late that comes.
fn bench_until_error(address: SocketAddr, arguments: &[&str]) -> Output {
    bench_for("1h", address, arguments)
}

fn bench_for(duration: &str, address: SocketAddr, arguments: &[&str]) -> Output {
    let address = address.to_string();
    let always = ["bench", "--connect", &address, "--connections", "6", "--duration", duration, "--warmup", "100ms"];
    run(&[&always[..], &["--json", "-"], arguments].concat())
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {}", said(output)))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} is no number in {value:#}"))
}

/// Checks that the parts of the report agree.
fn adds_up(report: &Value) {
    let series = report["series"].as_array().unwrap();
    let measured = series.iter().filter(|point| point["measured"] == true);
    let sum = |name: &str| measured.clone().map(|point| number(point, &format!("/{name}"))).sum::<u64>();
    for (name, path) in [
        ("answered", "/messages/answered"),
        ("sent", "/messages/sent"),
        ("bytes_sent", "/bytes/sent"),
        ("bytes_received", "/bytes/received"),
    ] {
        assert_eq!(sum(name), number(report, path), "{path}");
    }
    let curve = report["latency_curve"].as_array().unwrap();
    assert_eq!(number(curve.last().unwrap(), "/count"), number(report, "/latency/count"));
    let errors = report["errors"]["kinds"].as_array().unwrap();
    assert_eq!(errors.iter().map(|kind| number(kind, "/count")).sum::<u64>(), number(report, "/errors/in_all"));
    let latency = |name: &str| report["latency"][name].as_f64().unwrap();
    let rising = ["min_us", "p50_us", "p75_us", "p90_us", "p99_us", "p999_us", "p9999_us", "max_us"].map(latency);
    assert!(rising.is_sorted() && rising[0] > 0.0, "{rising:?}");
}

/// Serves every connection on its own thread.
fn serve(each: impl Fn(usize, TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let each = each.clone();
            thread::spawn(move || each(number, stream.unwrap()));
        }
    });
    address
}

/// Answers with `answer` until the client ends its stream.
fn answer(mut stream: TcpStream, mut answer: impl FnMut(&mut Vec<u8>)) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let mut bytes = buffer[..count].to_vec();
        answer(&mut bytes);
        if stream.write_all(&bytes).is_err() {
            return;
        }
    }
}

#[test]
fn every_codec_in_a_closed_loop_and_an_open_one() {
    for codec in ["raw", "lines", "length", "length2", "fixed:64"] {
        let echo = Running::echo(&["--listen", "127.0.0.1:0", "--codec", codec]);
        for more in [&[][..], &["--pipeline", "20", "--threads", "2"], &["--rate", "500"]] {
            let output = bench(echo.addresses[0], &[&["--codec", codec], more].concat());
            assert_eq!(output.status.code(), Some(0), "{codec} {more:?}: {}", said(&output));
            let report = json(&output);
            adds_up(&report);
            assert_eq!(report["ending"], "complete");
            assert_eq!((number(&report, "/errors/in_all"), number(&report, "/messages/unanswered")), (0, 0));
            assert_eq!(
                (number(&report, "/connections/made"), number(&report, "/connections/connecting/count")),
                (6, 6)
            );
            assert!(number(&report, "/messages/answered") > 0);
            assert_eq!(report["settings"]["codec"], codec);
            assert_eq!(report["backend"], backend());
            if more.contains(&"--rate") {
                let due = number(&report, "/latency/count") + number(&report, "/messages/unsent");
                assert!(due.abs_diff(150) <= 1, "500 a second for 300 ms: {due}");
            }
        }
        let summary = echo.summary();
        assert!(summary.contains("echo has ended: 18 sessions (18: closed by the peer)"), "{codec}: {summary}");
    }
}

#[test]
fn the_report_has_all_results() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0"]);
    let address = format!("localhost:{}", echo.addresses[0].port());
    let always = ["bench", "--connect", &address, "--duration", "1200ms", "--warmup", "0s", "--size", "1KiB"];
    let output = run(&always);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    for expected in
        [&address, "64 connections", "1,024 bytes (raw)", "answered ", "p99.99 ", "connecting ", "errors      0"]
    {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    let progress = said(&output);
    assert!(
        progress.lines().count() >= 1 && progress.contains("64 connections") && progress.contains("p99"),
        "{progress}"
    );
    let quiet = run(&[&always[..], &["--quiet"]].concat());
    // The reason for not using io_uring is also reported.
    let said = said(&quiet);
    let said: Vec<&str> = said.lines().filter(|line| !line.contains("falling back to the backend")).collect();
    assert_eq!(said, Vec::<&str>::new());
}

#[test]
fn the_page_is_self_contained_and_the_json_file_matches() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--codec", "lines"]);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = |ending: &str| directory.join(format!("bench-{}.{ending}", std::process::id()));
    let (page, numbers) = (file("html"), file("json"));
    // The old content is gone, however long it was.
    std::fs::write(&numbers, "x".repeat(1 << 20)).unwrap();
    let address = echo.addresses[0].to_string();
    let (html, json) = (page.to_str().unwrap(), numbers.to_str().unwrap());
    let output = run(&[
        "bench",
        "--connect",
        &address,
        "--codec",
        "lines",
        "--duration",
        "300ms",
        "--html",
        html,
        "--json",
        json,
        "--message",
        "say <b> & \"c\"",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let page = std::fs::read_to_string(page).unwrap();
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside} in {page}");
    }
    assert_eq!(page.matches("<svg").count(), 3, "{page}");
    for expected in
        ["Latency by percentile", "99 %", "Messages answered a second", &address, "say &lt;b&gt; &amp; &quot;c&quot;"]
    {
        assert!(page.contains(expected), "{expected:?} is not in {page}");
    }
    let report: Value = serde_json::from_str(&std::fs::read_to_string(numbers).unwrap()).unwrap();
    adds_up(&report);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("errors      {}", number(&report, "/errors/in_all"))), "{text}");
}

#[test]
fn every_fault_of_a_server_is_reported_by_kind() {
    let wrong = serve(|_, stream| answer(stream, |bytes| bytes[0] ^= 1));
    let twice = serve(|_, stream| answer(stream, |bytes| bytes.extend_from_within(..)));
    let closing = serve(|_, mut stream| drop(stream.read(&mut [0; 1024])));
    let silent = serve(|_, stream| answer(stream, Vec::clear));
    for (address, timeout, kind, words) in [
        (wrong, "60s", "wrong_answer", "byte 0 of 64 came back as"),
        (twice, "60s", "unasked_answer", "after the answers to all 1 messages"),
        (closing, "60s", "closed_by_server", "answers so far: 0, under way: 1"),
        (silent, "200ms", "no_answer", "for 200ms; answers so far: 0, under way: 1"),
    ] {
        let output = bench_until_error(address, &["--timeout", timeout]);
        assert_eq!(output.status.code(), Some(1), "{kind}: {}", said(&output));
        let report = json(&output);
        assert_eq!(report["ending"], "too_many_errors");
        let kinds = report["errors"]["kinds"].as_array().unwrap();
        let first = |kind: &Value| kind["first"].as_str().unwrap().to_owned();
        assert!(kinds.iter().any(|found| found["kind"] == kind && first(found).contains(words)), "{kind}: {kinds:?}");
        let note = report["remarks"][0].as_str().unwrap();
        assert!(note.contains("more errors than --max-errors 0 allows"), "{note}");
        let advises = |note: &Value| note.as_str().unwrap().contains("must send every packet back unchanged");
        assert_eq!(report["remarks"].as_array().unwrap().iter().any(advises), kind == "wrong_answer", "{kind}");
        assert!(said(&output).contains(words), "the report goes to standard error: {}", said(&output));
    }
}

#[test]
fn errors_up_to_the_limit_do_not_end_the_run() {
    let some = serve(|number, stream| match number {
        0 | 3 => {}
        _ => answer(stream, |_| {}),
    });
    let output = bench(some, &["--max-errors", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report = json(&output);
    assert_eq!((number(&report, "/errors/in_all"), &report["ending"]), (2, &Value::from("complete")));
    assert!(number(&report, "/messages/answered") > 0);
    let none = serve(|_, stream| drop(stream));
    let output = bench(none, &["--max-errors", "1000"]);
    assert_eq!((output.status.code(), &json(&output)["ending"]), (Some(1), &Value::from("no_connections")));
}

#[test]
fn any_answer_is_accepted_if_asked_for() {
    let pong = serve(|_, stream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let (mut stream, mut line) = (stream, String::new());
        while matches!(lines.read_line(&mut line), Ok(1..)) {
            let answer: &[u8] = if line == "PING\n" { b"PONG, if you like\r\n" } else { b"\x00" };
            if stream.write_all(answer).is_err() {
                return;
            }
            line.clear();
        }
    });
    let arguments = ["--codec", "lines", "--message", "PING", "--answer", "any"];
    let output = bench(pong, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(number(&json(&output), "/messages/answered") > 0);
    let output = bench_until_error(pong, &arguments[..4]);
    assert_eq!(json(&output)["errors"]["kinds"][0]["kind"], "wrong_answer", "an echo it is not");
}

#[test]
fn an_unreachable_server_is_named_with_the_remedy() {
    let nobody = Reserved::new();
    let output = bench(nobody.address, &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    for expected in ["proactor: connection ", &nobody.address.to_string(), "refused", "start the server", "--connect"] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    let output = run(&["bench", "--connect", "nowhere.invalid:80"]);
    assert!(output.status.code() == Some(1) && said(&output).contains("--connect nowhere.invalid:80: "));
}

#[test]
fn an_unwritable_file_is_an_error_before_the_run() {
    let nobody = Reserved::new();
    let address = nobody.address.to_string();
    for flag in ["--json", "--html"] {
        let output = run(&["bench", "--connect", &address, flag, "no-such-directory/x"]);
        let text = said(&output);
        assert!(output.status.code() == Some(1) && text.contains(&format!("{flag} no-such-directory/x: ")), "{text}");
        assert!(!text.contains("refused"), "{text}");
    }
}

#[test]
fn ctrl_c_reports_what_was_measured() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0"]);
    let address = echo.addresses[0].to_string();
    let arguments = ["bench", "--connect", &address, "--duration", "1h", "--warmup", "0s", "--json", "-"];
    let mut child = spawn(proactor(&arguments));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("connections") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it has ended by itself");
    }
    interrupt(&child);
    let reader = thread::spawn(move || {
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        rest
    });
    let output = child.wait_with_output().unwrap();
    let rest = reader.join().unwrap();
    assert_eq!(output.status.code(), Some(130), "{rest}");
    let report = json(&output);
    assert_eq!(report["ending"], "interrupted");
    adds_up(&report);
    let seconds = report["seconds"].as_f64().unwrap();
    assert!(seconds > 0.0 && seconds < 3_600.0 && number(&report, "/messages/answered") > 0);
    assert!(rest.contains("note: it was interrupted after"), "{rest}");
}

#[test]
fn errors_name_the_option_and_the_remedy() {
    let cases: [(&[&str], i32, &[&str]); 18] = [
        (&["--connect", "server"], 2, &["'server' is nothing to connect to", "example.org:80"]),
        (&["--connections", "0"], 2, &["--connections", "at least 1"]),
        (&["--connections", "99999999"], 1, &["--connections 99999999"]),
        (&["--size", "0"], 2, &["--size", "at least 1 byte"]),
        (
            &["--size", "1MiB", "--pipeline", "17"],
            1,
            &["--connections 64", "--pipeline 17", "--size 1048576", "1088 MiB", "reduce one of them"],
        ),
        (&["--size", "17MiB", "--codec", "lines"], 1, &["--size 17825792", "at most"]),
        (&["--size", "65536", "--codec", "length2"], 1, &["--size 65536", "--codec length"]),
        (&["--size", "9", "--codec", "fixed:8"], 1, &["--size 9", "fixed:8"]),
        (&["--size", "9", "--message", "x"], 1, &["--size", "--message"]),
        (&["--message", "a\nb", "--codec", "lines"], 1, &["--message", "choose another --codec"]),
        (&["--message", "@no-such-file"], 1, &["--message @no-such-file"]),
        (&["--message", ""], 1, &["--message", "at least 1 byte"]),
        (&["--pipeline", "none"], 2, &["--pipeline", "1000"]),
        (&["--rate", "0"], 2, &["--rate", "50000"]),
        (&["--duration", "0s"], 2, &["--duration", "more than 0"]),
        (&["--warmup", "25h"], 2, &["--warmup", "at most 24h"]),
        (&["--threads", "65"], 1, &["--threads 65", "--connections 64"]),
        (&["--max-errors", "few"], 2, &["--max-errors"]),
    ];
    for (arguments, code, texts) in cases {
        let always: &[&str] =
            if arguments[0] == "--connect" { &["bench"] } else { &["bench", "--connect", "127.0.0.1:9"] };
        let output = run(&[always, arguments].concat());
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        for expected in texts {
            assert!(text.contains(expected), "{arguments:?}: {expected:?} is not in {text:?}");
        }
    }
    let missing = run(&["bench"]);
    assert!(missing.status.code() == Some(2) && said(&missing).contains("--connect"), "{}", said(&missing));
}
