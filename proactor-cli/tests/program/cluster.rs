//! `proactor chat --cluster`: servers over one NATS are one chat. Needs `nats-server`.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::harness::{Running, run};
use crate::members::{Frames, Member, enter, finish, until_all_hear_each_other};

struct Nats(Child);

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// NATS and its URL. `None`, with a reason, without the program.
fn nats() -> Option<(Nats, String)> {
    let named = std::env::var_os("NATS_SERVER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|folder| folder.join("nats-server"));
    let Some(program) = named.into_iter().chain(usual).find(|program| program.is_file()) else {
        eprintln!("skipped: there is no nats-server; ci/cluster.sh installs it, and NATS_SERVER may name it");
        return None;
    };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(program);
    command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    Some((Nats(child), format!("nats://127.0.0.1:{port}")))
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

#[test]
fn what_does_not_go_with_a_cluster_is_said() {
    for (flags, said) in [
        (&["--cluster", "nats://127.0.0.1:1"][..], "--node"),
        (&["--node", "one"][..], "--cluster"),
        (&["--cluster", "nats://[", "--node", "one"][..], "use nats://HOST:PORT"),
        (&["--cluster", "nats://127.0.0.1:1", "--node", "one", "--http", "127.0.0.1:0"][..], "leave out --http"),
    ] {
        let output = run(&[&["chat", "--listen", "127.0.0.1:0"][..], flags].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(said), "{flags:?}: {error}");
    }
}
