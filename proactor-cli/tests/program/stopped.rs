//! A server that did not run for a while: what its clients sent meanwhile is read, and they are not
//! closed for the silence.

use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{PATIENCE, Running, uring};
use crate::members::{Frames, Member};

/// Of the server, which is stopped for twice as long.
const TIMEOUT: Duration = Duration::from_secs(2);

fn backends() -> impl Iterator<Item = &'static str> {
    [(uring(), "uring"), (true, "poll")].into_iter().filter_map(|(is_there, name)| is_there.then_some(name))
}

/// With each of these flags on each backend, beside each other: it takes seconds, and little work.
fn on_each(flags: [&str; 2], test: fn(&str, &str)) {
    std::thread::scope(|scope| {
        for backend in backends() {
            for flag in flags {
                scope.spawn(move || test(backend, flag));
            }
        }
    });
}

fn start(backend: &str, flag: &str) -> Running {
    let arguments = ["--listen", "127.0.0.1:0", "--codec", "lines", "--shards", "1", "--backend", backend];
    Running::echo(&[&arguments[..], &[flag, "2s"]].concat())
}

/// Stops the program for longer than its timeouts, with something to do in between.
fn stopped_during(server: &Running, meanwhile: impl FnOnce()) {
    let process = Pid::from_child(&server.child);
    kill_process(process, Signal::STOP).unwrap();
    std::thread::sleep(TIMEOUT);
    meanwhile();
    std::thread::sleep(TIMEOUT);
    kill_process(process, Signal::CONT).unwrap();
}

/// What an attempt gives that takes less than half of the timeout, so that the server is stopped
/// before the timeout is over. On a busy machine the first attempt may take longer.
fn in_time<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        let begun = Instant::now();
        let done = attempt();
        if let Some(done) = done.filter(|_| begun.elapsed() < TIMEOUT / 2) {
            return done;
        }
        assert!(Instant::now() < end, "nothing is done in time");
    }
}

/// Whether a line comes back, or the session has been closed for its timeout.
fn is_echoed(member: &mut Member, line: &[u8]) -> bool {
    let sent = member.stream.get_mut().write_all(&member.frames.of(line));
    sent.is_ok() && member.try_hear().is_ok_and(|heard| heard.as_deref() == Some(line))
}

#[test]
fn what_came_while_the_program_was_stopped_is_answered_before_anyone_is_closed() {
    on_each(["--idle-timeout", "--receive-timeout"], answers_what_came);
}

fn answers_what_came(backend: &str, flag: &str) {
    let server = start(backend, flag);
    let mut members = in_time(|| {
        let mut members: Vec<Member> = (0..50).map(|_| Member::connect(&server, Frames::Lines)).collect();
        members.iter_mut().all(|member| is_echoed(member, b"before")).then_some(members)
    });
    stopped_during(&server, || {
        for member in &mut members {
            member.say(b"meanwhile");
        }
    });
    for (number, member) in members.iter_mut().enumerate() {
        let heard = member.try_hear().unwrap_or_default();
        assert_eq!(heard.as_deref(), Some(&b"meanwhile"[..]), "{backend} {flag}: {number}");
    }
}

#[test]
fn a_packet_that_was_completed_while_the_program_was_stopped_took_no_time() {
    on_each(["--read-timeout", "--handshake-timeout"], completes_a_packet);
}

fn completes_a_packet(backend: &str, flag: &str) {
    let server = start(backend, flag);
    let (_other, mut member) = in_time(|| {
        let mut other = Member::connect(&server, Frames::Lines);
        let mut member = Member::connect(&server, Frames::Lines);
        let begun = member.stream.get_mut().write_all(b"half");
        // When the later session has been served, the earlier one has been read from too.
        (begun.is_ok() && is_echoed(&mut other, b"ready")).then_some((other, member))
    });
    stopped_during(&server, || member.write(b" and whole\n"));
    let heard = member.try_hear().unwrap_or_default();
    assert_eq!(heard.as_deref(), Some(&b"half and whole"[..]), "{backend} {flag}");
}
