//! A server that did not run for a while: what its clients sent meanwhile is read, and they are not
//! closed for the silence.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Running, uring};
use crate::members::{Frames, Member};

fn backends() -> impl Iterator<Item = &'static str> {
    [(uring(), "uring"), (true, "poll")].into_iter().filter_map(|(is_there, name)| is_there.then_some(name))
}

/// Stops the program for longer than its timeouts, with something to do in between.
fn stopped_during(server: &Running, span: Duration, meanwhile: impl FnOnce()) {
    let process = Pid::from_child(&server.child);
    kill_process(process, Signal::STOP).unwrap();
    std::thread::sleep(span / 2);
    meanwhile();
    std::thread::sleep(span / 2);
    kill_process(process, Signal::CONT).unwrap();
}

#[test]
fn what_came_while_the_program_was_stopped_is_answered_before_anyone_is_closed() {
    for backend in backends() {
        for flag in ["--idle-timeout", "--receive-timeout"] {
            let arguments = ["--listen", "127.0.0.1:0", "--codec", "lines", "--shards", "1", "--backend", backend];
            let server = Running::echo(&[&arguments[..], &[flag, "2s"]].concat());
            let mut members: Vec<Member> = (0..50).map(|_| Member::connect(&server, Frames::Lines)).collect();
            for member in &mut members {
                member.say(b"before");
                assert_eq!(member.hear(), b"before");
            }
            stopped_during(&server, Duration::from_secs(4), || {
                for member in &mut members {
                    member.say(b"meanwhile");
                }
            });
            for (number, member) in members.iter_mut().enumerate() {
                let heard = member.try_hear().unwrap_or_default();
                assert_eq!(heard.as_deref(), Some(&b"meanwhile"[..]), "{backend} {flag}: {number}");
            }
        }
    }
}

#[test]
fn a_packet_that_was_completed_while_the_program_was_stopped_took_no_time() {
    for backend in backends() {
        for flag in ["--read-timeout", "--handshake-timeout"] {
            let arguments = ["--listen", "127.0.0.1:0", "--codec", "lines", "--shards", "1", "--backend", backend];
            let server = Running::echo(&[&arguments[..], &[flag, "2s"]].concat());
            let mut other = Member::connect(&server, Frames::Lines);
            let mut member = Member::connect(&server, Frames::Lines);
            member.write(b"half");
            // When the later session has been served, the earlier one has been read from too.
            other.say(b"ready");
            assert_eq!(other.hear(), b"ready");
            stopped_during(&server, Duration::from_secs(4), || member.write(b" and whole\n"));
            let heard = member.try_hear().unwrap_or_default();
            assert_eq!(heard.as_deref(), Some(&b"half and whole"[..]), "{backend} {flag}");
        }
    }
}
