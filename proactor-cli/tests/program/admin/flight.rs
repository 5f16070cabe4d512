//! The flight recorder, by HTTP and from a shell.

use std::io::Read;

use serde_json::Value;

use crate::admin::client::{ask, echo, get, start};
use crate::admin::command::printed;
use crate::harness::wait_until;

fn events(answer: &Value) -> Vec<(&str, Option<&str>)> {
    let events = answer.as_array().unwrap().iter();
    // A turn may be slow on a busy machine.
    let events = events.filter(|event| event["event"] != "slow_turn");
    events.map(|event| (event["event"].as_str().unwrap(), event["reason"].as_str())).collect()
}

#[test]
fn the_history_of_a_session_is_told_while_it_is_there_and_after_its_end() {
    let (server, admin) = start("echo", &["--shards", "1", "--max-sessions", "1", "--byte-rate", "100:100"]);
    let mut client = server.connect();
    echo(&mut client, &[b'x'; 150]);
    // The reset of a refused connection can come before `connect` returns.
    assert_eq!(server.try_connect().and_then(|mut refused| refused.read(&mut [0; 8])).unwrap_or(0), 0);
    let id = get(admin, "/sessions")["sessions"][0]["id"].as_str().unwrap().to_owned();
    let held = || events(&get(admin, &format!("/sessions/{id}"))["history"]).len() >= 3;
    wait_until("it was held and let go", held);
    let session = get(admin, &format!("/sessions/{id}"));
    assert_eq!(session["received_bytes"], 150, "the rest is said as before");
    let history = events(&session["history"]);
    let over = Some("over_rate");
    assert_eq!(history[..3], [("accepted", None), ("held", over), ("released", over)]);
    let table = printed(admin, &["session", &id]);
    assert!(table.contains("\nage ") && table.contains("\nTIME ") && !table.contains("history"), "{table}");
    assert!(table.contains("Z  not read from: over_rate\n"), "{table}");

    drop(client);
    wait_until("it has ended", || get(admin, "/status")["sessions"] == 0);
    let gone = ask(admin, "GET", &format!("/sessions/{id}"));
    assert!(
        gone.status == 404 && gone.error().contains(&format!("; its last events: /flight?session={id}, or")),
        "{}",
        gone.body
    );
    let own = get(admin, &format!("/flight?session={id}"));
    let life = events(&own["events"]);
    assert_eq!(life.last(), Some(&("ended", Some("flushed"))));
    assert_eq!(life[life.len() - 2], ("closing", Some("by_peer")));
    assert!(own["events"].as_array().unwrap().iter().all(|event| event["session"] == id.as_str()));

    let all = get(admin, "/flight");
    let refusal = all["events"].as_array().unwrap().iter().find(|event| event["event"] == "refused").unwrap();
    assert_eq!((&refusal["reason"], &refusal["session"]), (&"sessions".into(), &Value::Null));
    let newest = get(admin, "/flight?limit=2&shard=0");
    assert_eq!((newest["events"].as_array().unwrap().len(), &newest["total"]), (2, &all["total"]));
    assert_eq!(get(admin, "/flight?shard=9")["total"], 0);
    let table = printed(admin, &["flight", "--session", &id, "--limit", "1"]);
    assert!(table.starts_with("TIME ") && table.contains(&format!("  {id}")) && table.contains("ended"), "{table}");
    assert!(table.ends_with(&format!("the last 1 of {} events\n", own["total"])), "{table}");
    for (target, what) in [
        ("/flight?session=1.2", "is not the name of a session"),
        ("/flight?limit=0", "limit=0: must be a number from 1 to 10000"),
        ("/flight?since=1", "since"),
    ] {
        let answer = ask(admin, "GET", target);
        assert!(answer.status == 400 && answer.error().contains(what), "{target}: {}", answer.body);
    }
    assert_eq!(ask(admin, "POST", "/flight").status, 405);
}

#[test]
fn a_server_without_a_recorder_says_so() {
    let (server, admin) = start("echo", &["--flight-recorder", "0"]);
    let mut client = server.connect();
    echo(&mut client, b"x");
    let id = get(admin, "/sessions")["sessions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(get(admin, &format!("/sessions/{id}"))["history"], Value::Null);
    let answer = ask(admin, "GET", "/flight");
    assert!(answer.status == 409 && answer.error().contains("--flight-recorder"), "{}", answer.body);
    assert!(!printed(admin, &["session", &id]).contains("TIME"));
}
