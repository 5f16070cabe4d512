//! What is told and done.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::admin::client::{ask, ask_with, connect, echo, get, start};
#[cfg(feature = "tls")]
use crate::harness::run;
use crate::harness::{Running, wait_until, windows};

/// The sum of the series of a metric that have a label.
fn metric(page: &str, name: &str, label: &str) -> f64 {
    let lines = page.lines().filter(|line| line.starts_with(name) && line[name.len()..].starts_with(['{', ' ']));
    let values = lines.filter(|line| line.contains(label)).map(|line| line.rsplit_once(' ').unwrap().1);
    values.map(|value| value.parse::<f64>().unwrap()).sum()
}

#[test]
fn counters_agree_with_what_clients_have_counted() {
    let (server, admin) = start("echo", &["--codec", "lines", "--max-sessions", "8"]);
    let mut clients: Vec<TcpStream> = (0..8).map(|_| server.connect()).collect();
    let mut bytes = [0_u64; 8];
    for (number, client) in clients.iter_mut().enumerate() {
        for round in 0..=number {
            let line = format!("{}\n", "x".repeat(round * 37));
            echo(client, line.as_bytes());
            bytes[number] += line.len() as u64;
        }
    }
    // The reset of a refused connection can come before `connect` returns.
    assert_eq!(server.try_connect().and_then(|mut refused| refused.read(&mut [0; 8])).unwrap_or(0), 0);
    let lines = (1..=8).sum::<u64>();
    let all: u64 = bytes.iter().sum();
    wait_until("the last bytes are counted", || get(admin, "/status")["sent_bytes"] == all);
    let status = get(admin, "/status");
    for (name, expected) in [
        ("sessions", 8),
        ("most_sessions", 8),
        ("accepted", 8),
        ("received_bytes", all),
        ("sent_bytes", all),
        ("received_packets", lines),
        ("sent_packets", lines),
        ("queued_bytes", 0),
    ] {
        assert_eq!(status[name], expected, "{name}: {status}");
    }
    assert_eq!(status["refused"], serde_json::json!({ "sessions": 1 }));
    assert_eq!(
        (&status["command"], &status["ready"], &status["log_level"]),
        (&"echo".into(), &true.into(), &"warn".into())
    );
    let page = ask(admin, "GET", "/metrics");
    assert!(page.head.contains("content-type: text/plain"), "{}", page.head);
    for (name, label, expected) in [
        ("proactor_sessions", "", 8),
        ("proactor_accepts_total", "", 8),
        ("proactor_received_bytes_total", "", all),
        ("proactor_sent_bytes_total", "", all),
        ("proactor_received_packets_total", "", lines),
        ("proactor_refusals_total", "reason=\"sessions\"", 1),
        ("proactor_draining", "", 0),
    ] {
        assert_eq!(metric(&page.body, name, label), expected as f64, "{name}");
    }
    assert!(metric(&page.body, "process_start_time_seconds", "") > 1.7e9);
    if cfg!(target_os = "linux") && !windows() {
        assert!(metric(&page.body, "process_resident_memory_bytes", "") > 1e6);
    }
    let open = ask_with(admin, "GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(open.head.contains("application/openmetrics-text") && open.body.ends_with("# EOF\n"), "{}", open.head);
    // Each by its own.
    let list = get(admin, "/sessions?sort=-received");
    let received: Vec<u64> = rows(&list).iter().map(|row| row["received_bytes"].as_u64().unwrap()).collect();
    bytes.reverse();
    assert_eq!(received, bytes);
    assert!(rows(&list).iter().all(|row| row["sent_bytes"] == row["received_bytes"] && row["queued_bytes"] == 0));
    drop(clients);
    wait_until("all have ended", || get(admin, "/status")["closed"] == serde_json::json!({ "by_peer": 8 }));
}

/// What a server that has ended has said since it was ready.
fn whole_log(server: &mut Running) -> String {
    let (log, summary) = server.rest_of_log();
    log + &summary
}

fn rows(list: &Value) -> &[Value] {
    list["sessions"].as_array().unwrap()
}

#[test]
fn sessions_are_filtered_sorted_and_paged() {
    let second = ["--listen", "127.0.0.1:0", "--shards", "2"];
    let (server, admin) = start("echo", &second);
    let mut clients: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    let mut other = connect(server.addresses[1]);
    clients.iter_mut().chain([&mut other]).for_each(|client| echo(client, b"hello"));
    let ids = |query: &str| -> Vec<String> {
        let list = get(admin, &format!("/sessions?{query}"));
        rows(&list).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids("limit=1000");
    assert_eq!(all.len(), 31);
    let paged: Vec<String> = (0..4).flat_map(|page| ids(&format!("limit=10&offset={}", page * 10))).collect();
    assert_eq!(paged, all, "pages are parts of the whole, in its order");
    let mut backwards = ids("limit=1000&sort=-id");
    backwards.reverse();
    assert_eq!(backwards, all);
    assert_eq!(get(admin, "/sessions?limit=7")["total"], 31);
    assert!(ids("offset=31").is_empty());
    // One of them, by what it is.
    let own = clients[11].local_addr().unwrap();
    let found = get(admin, &format!("/sessions?peer={own}"));
    let row = &rows(&found)[0];
    assert_eq!((found["total"].as_u64(), row["peer"].as_str()), (Some(1), Some(own.to_string().as_str())));
    assert_eq!(
        (row["origin"].as_str(), row["key"].is_null(), row["holds"].as_array().unwrap().len()),
        (Some("accepted"), true, 0)
    );
    assert_eq!(row["listener"], server.addresses[0].to_string());
    assert!(row["since"].as_str().unwrap().ends_with('Z') && row["age_seconds"].as_f64().unwrap() < 600.0);
    let one = get(admin, &format!("/sessions/{}", row["id"].as_str().unwrap()));
    assert_eq!((&one["peer"], &one["since"].is_string()), (&row["peer"], &true));
    let total = |query: &str| get(admin, &format!("/sessions?{query}"))["total"].as_u64().unwrap();
    assert_eq!(total(&format!("search={own}")), 1);
    assert_eq!(total(&format!("listener={}", server.addresses[1])), 1);
    assert_eq!(total("peer=127.0.0.0/8"), 31);
    assert_eq!((total("peer=10.0.0.0/8"), total("hold=any"), total("min_queued=1"), total("min_age=1h")), (0, 0, 0, 0));
    assert_eq!((total("key=none"), total("group=none"), total("search=nothing+like+it")), (0, 0, 0));
    let peers = get(admin, "/sessions?sort=peer&limit=1000");
    let ports: Vec<u64> = rows(&peers).iter().map(|row| row["peer"].as_str().unwrap()[10..].parse().unwrap()).collect();
    assert!(ports.is_sorted(), "{ports:?}");
}

#[test]
fn a_peer_that_does_not_read_is_found_by_what_is_queued_and_why_it_is_held() {
    let (server, admin) = start("echo", &["--outbox-bytes", "64KiB"]);
    let mut deaf = server.connect();
    deaf.set_nonblocking(true).unwrap();
    let _ok = server.connect();
    let mut list = Value::Null;
    // The system's buffers grow, and take of what is queued.
    wait_until("it is held", || {
        while deaf.write(&[7; 65536]).is_ok() {}
        list = get(admin, "/sessions?sort=-queued&limit=1&hold=throttled&min_queued=32768");
        list["total"] == 1
    });
    let row = &rows(&list)[0];
    assert_eq!(row["peer"], deaf.local_addr().unwrap().to_string());
    assert!(row["queued_bytes"].as_u64().unwrap() >= 32 * 1024 && row["holds"][0] == "throttled", "{row}");
    assert_eq!(get(admin, "/sessions?min_queued=1000000000")["total"], 0);
}

#[test]
fn a_session_is_closed_in_order_or_reset_and_is_unknown_then() {
    let (server, admin) = start("echo", &[]);
    for (how, kind) in [("?how=graceful", None), ("", None), ("?how=abort", Some(ErrorKind::ConnectionReset))] {
        let mut client = server.connect();
        echo(&mut client, b"hello");
        let id = rows(&get(admin, "/sessions"))[0]["id"].as_str().unwrap().to_owned();
        let closed = ask(admin, "POST", &format!("/sessions/{id}/close{how}"));
        assert!(closed.status == 202 && closed.json()["closing"] == id.as_str(), "{}", closed.body);
        let end = client.read(&mut [0; 8]);
        match kind {
            None => assert_eq!(end.unwrap(), 0),
            Some(kind) => assert_eq!(end.unwrap_err().kind(), kind),
        }
        drop(client);
        wait_until("it is gone", || get(admin, "/status")["sessions"] == 0);
        assert_eq!(ask(admin, "GET", &format!("/sessions/{id}")).status, 404);
        assert_eq!(ask(admin, "POST", &format!("/sessions/{id}/close")).status, 404);
    }
    let closed = &get(admin, "/status")["closed"];
    assert_eq!(closed["by_handler"], 3, "{closed}");
}

#[test]
fn a_drain_is_not_ready_from_the_first_moment_and_ends_the_server_in_order() {
    let (mut server, admin) = start("echo", &["--codec", "lines"]);
    let mut client = server.connect();
    echo(&mut client, b"whole\n");
    // Half a line is work.
    client.write_all(b"ha").unwrap();
    wait_until("the half has come", || get(admin, "/status")["received_bytes"] == 8);
    assert_eq!(get(admin, "/readyz")["ready"], true);
    let drained = ask(admin, "POST", "/drain?timeout=1h");
    assert!(drained.status == 202 && drained.json()["timeout_seconds"] == 3600.0, "{}", drained.body);
    let ready = ask(admin, "GET", "/readyz");
    assert_eq!((ready.status, ready.json()["why"].as_str()), (503, Some("the server is ending")));
    assert_eq!(metric(&ask(admin, "GET", "/metrics").body, "proactor_draining", ""), 1.0);
    assert_eq!(get(admin, "/healthz")["healthy"], true, "it is well, though");
    let again = ask(admin, "POST", "/drain");
    assert!(again.status == 409 && again.error().contains("ending already"), "{}", again.body);
    client.write_all(b"lf\n").unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "half\n");
    drop(client);
    assert_eq!(server.ended().code(), Some(0));
    assert!(TcpStream::connect(admin).is_err(), "the admin listener ends with its server");
    let log = whole_log(&mut server);
    assert!(log.contains("the server is drained, for at most 3600s, as 127.0.0.1:"), "{log}");
}

#[test]
fn the_log_level_changes_what_is_logged() {
    let (mut server, admin) = start("echo", &[]);
    let close_one = || {
        let mut client = server.connect();
        echo(&mut client, b"hello");
        drop(client);
        wait_until("it has ended", || get(admin, "/status")["sessions"] == 0);
    };
    close_one();
    assert_eq!(ask(admin, "POST", "/log?level=debug").json()["level"], "debug");
    assert_eq!(get(admin, "/log")["level"], "debug");
    close_one();
    assert_eq!(ask(admin, "POST", "/log?level=warn").status, 200);
    close_one();
    server.interrupt();
    assert_eq!(server.ended().code(), Some(0));
    let log = whole_log(&mut server);
    let ends = log.lines().filter(|line| line.contains("DEBUG") && line.contains("closed by the peer")).count();
    assert_eq!(ends, 1, "{log}");
    assert!(log.contains("proactor: admin: the log level is debug, as 127.0.0.1:"), "{log}");
}

#[cfg(feature = "tls")]
#[test]
fn certificates_are_read_again_and_bad_ones_leave_the_old_in_use() {
    let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("admin-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    assert!(run(&["dev-cert", "--out", directory.to_str().unwrap()]).status.success());
    let (certificate, key) = (directory.join("dev-cert.pem"), directory.join("dev-key.pem"));
    let own = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let (_server, admin) = start("echo", &own);
    let reloaded = ask(admin, "POST", "/reload");
    assert_eq!((reloaded.status, reloaded.json()["reloaded"][0].as_str()), (200, Some("certificates")));
    std::fs::write(&certificate, "nonsense").unwrap();
    let failed = ask(admin, "POST", "/reload");
    assert!(
        failed.status == 500 && failed.error().starts_with("the old certificates stay in use: "),
        "{}",
        failed.body
    );
    assert!(failed.error().contains("dev-cert.pem"));
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn rooms_are_groups_with_names() {
    let (server, admin) = start("chat", &["--rooms"]);
    let mut members: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
    for (number, member) in members.iter_mut().enumerate() {
        member.write_all(if number < 3 { b"kitchen\n" } else { b"hall\n" }).unwrap();
    }
    wait_until("all have entered", || get(admin, "/sessions?group=kitchen")["total"] == 3);
    wait_until("all have entered", || get(admin, "/sessions?group=hall")["total"] == 2);
    let groups = get(admin, "/groups");
    let names = |groups: &Value| -> Vec<(String, u64)> {
        let all = groups["groups"].as_array().unwrap().iter();
        all.map(|group| (group["name"].as_str().unwrap().to_owned(), group["members"].as_u64().unwrap())).collect()
    };
    assert_eq!(names(&groups), [("kitchen".to_owned(), 3), ("hall".to_owned(), 2)]);
    assert_eq!(names(&get(admin, "/groups?sort=name&limit=1")), [("hall".to_owned(), 2)]);
    assert_eq!(names(&get(admin, "/groups?search=KIT")), [("kitchen".to_owned(), 3)]);
    let list = get(admin, "/sessions?group=hall");
    assert!(rows(&list).iter().all(|row| row["groups"] == 1 && row["group_names"][0] == "hall"));
    drop(members);
    wait_until("all have left", || get(admin, "/groups")["total"] == 0);
}
