//! `proactor chat --cluster`: servers over one NATS are one chat. Needs `nats-server`.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::harness::{Running, run};
use crate::members::{Frames, Member, enter, finish, until_all_hear_each_other};
use crate::reserved::Reserved;

/// A `nats-server`, and its port.
pub(crate) struct Nats(Child, #[expect(dead_code, reason = "it is kept")] Reserved);

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// NATS and its URL. `None`, with a reason, without the program.
pub(crate) fn nats() -> Option<(Nats, String)> {
    let named = std::env::var_os("NATS_SERVER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|folder| folder.join("nats-server"));
    let Some(program) = named.into_iter().chain(usual).find(|program| program.is_file()) else {
        eprintln!("skipped: there is no nats-server; ci/cluster.sh installs it, and NATS_SERVER may name it");
        return None;
    };
    let place = Reserved::for_a_server();
    let mut command = Command::new(program);
    command.args(["-a", "127.0.0.1", "-p", &place.address.port().to_string()]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let url = format!("nats://{}", place.address);
    Some((Nats(child, place), url))
}

#[test]
fn three_nodes_are_one_chat_with_rooms() {
    let Some((_nats, url)) = nats() else { return };
    let node = |name: &str| Running::chat(&["--rooms", "--shards", "1", "--cluster", &url, "--node", name]);
    let nodes = [node("one"), node("two"), node("three")];
    let in_room = |room: &str| -> Vec<Member> {
        let mut members: Vec<Member> =
            nodes.iter().flat_map(|node| enter(node, Frames::Lines, Some(room), 1)).collect();
        until_all_hear_each_other(&mut members);
        members
    };
    let (mut kitchen, mut garden) = (in_room("kitchen"), in_room("garden"));
    for (number, room) in [&mut kitchen, &mut garden].into_iter().enumerate() {
        for speaker in 0..room.len() {
            let text = format!("{speaker:02}.{number:05}");
            room[speaker].say(text.as_bytes());
            for (listener, member) in room.iter_mut().enumerate().filter(|(listener, _)| *listener != speaker) {
                assert_eq!(member.hear_said(), text, "node {listener} hears node {speaker}");
            }
        }
    }
    for ((node, kitchen), garden) in nodes.into_iter().zip(kitchen).zip(garden) {
        finish(node, &mut [kitchen, garden]);
    }
}

#[cfg(feature = "admin")]
mod status {
    use std::net::SocketAddr;

    use serde_json::Value;

    use super::*;
    use crate::admin::client::start;
    use crate::harness::wait_until;

    /// What `proactor cluster status --json` prints of each node: its name, its sessions, and
    /// whether it is the one that was asked.
    fn nodes(admin: SocketAddr) -> Vec<(String, u64, bool)> {
        let output = run(&["cluster", "status", "--admin", &admin.to_string(), "--json"]);
        assert!(output.status.success(), "{output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let of = |node: &Value| {
            let name = node["name"].as_str().unwrap().to_owned();
            (name, node["sessions"].as_u64().unwrap(), node["this"].as_bool().unwrap())
        };
        answer["nodes"].as_array().unwrap().iter().map(of).collect()
    }

    #[test]
    fn each_node_shows_the_others_with_their_load() {
        let Some((_nats, url)) = nats() else { return };
        let (one, at_one) = start("chat", &["--cluster", &url, "--node", "one"]);
        let (two, at_two) = start("chat", &["--cluster", &url, "--node", "two"]);
        let mut members = enter(&two, Frames::Lines, None, 2);
        wait_until("each to know the other and its sessions", || {
            nodes(at_one) == [("one".into(), 0, true), ("two".into(), 2, false)]
                && nodes(at_two) == [("one".into(), 0, false), ("two".into(), 2, true)]
        });
        let table = String::from_utf8(run(&["cluster", "status", "--admin", &at_one.to_string()]).stdout).unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("NODE  STATE") && lines[1].starts_with("one   asked"), "{table}");
        assert!(lines[2].starts_with("two   heard") && table.contains("\npublished "), "{table}");
        finish(two, &mut members);
        wait_until("one to know that two has ended", || nodes(at_one) == [("one".into(), 0, true)]);
        finish(one, &mut []);
    }

    #[test]
    fn a_server_that_is_no_node_says_so() {
        let (server, admin) = start("chat", &[]);
        let output = run(&["cluster", "status", "--admin", &admin.to_string()]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains("is no node of a cluster"), "{error}");
        finish(server, &mut []);
    }
}

#[test]
fn what_does_not_go_with_a_cluster_is_said() {
    for (flags, said) in [
        (&["--cluster", "nats://127.0.0.1:1"][..], "--node"),
        (&["--node", "one"][..], "--cluster"),
        (&["--cluster", "nats://[", "--node", "one"][..], "use nats://HOST:PORT"),
    ] {
        let output = run(&[&["chat", "--listen", "127.0.0.1:0"][..], flags].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(said), "{flags:?}: {error}");
    }
}
