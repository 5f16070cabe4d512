//! Upgrades that fail, and new processes that end: the old one goes on, and its log says why.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{Directory, Family, Over, converse, echoes, program, replace, replaceable};
#[cfg(feature = "admin")]
use crate::harness::proactor;
use crate::harness::{PATIENCE, wait_until};

#[test]
fn the_old_process_goes_on_if_the_new_one_fails() {
    let directory = Directory::new("fails");
    let program = replaceable(&directory);
    let arguments = ["echo", "--listen", "127.0.0.1:0", "--codec", "lines", "--upgrade-timeout", "1h"];
    let mut family = Family::start(&program, &directory, &arguments);
    let address = family.ready()[0];
    let kept = TcpStream::connect(address).unwrap();
    kept.set_read_timeout(Some(PATIENCE)).unwrap();
    let first = family.serving();
    for (script, why) in [
        ("exit 7", "ended before it was ready (exit status: 7)"),
        ("kill -SEGV $$", "ended before it was ready (signal: 11"),
    ] {
        replace(&program, script);
        family.ask(Signal::USR2);
        let said = family.line("this server goes on");
        assert!(said.contains(why), "{said}");
        assert_eq!(family.serving(), first);
        echoes(&kept, "still here\n").unwrap();
        converse(address, 1).unwrap();
    }
    fs::remove_file(&program).unwrap();
    family.ask(Signal::USR2);
    assert!(family.line("this server goes on").contains("could not start"));
    // What was wrong is put right.
    std::os::unix::fs::symlink(super::program(), &program).unwrap();
    family.upgrade();
    converse(address, 2).unwrap();
    family.end();
}

#[test]
fn a_new_process_that_is_not_ready_in_time_is_given_up() {
    let directory = Directory::new("slow");
    let program = replaceable(&directory);
    let arguments = ["echo", "--listen", "127.0.0.1:0", "--codec", "lines", "--upgrade-timeout", "300ms"];
    let mut family = Family::start(&program, &directory, &arguments);
    let (address, first) = (family.ready()[0], family.serving());
    replace(&program, "exec sleep 60");
    family.ask(Signal::USR2);
    let said = family.line("this server goes on");
    assert!(said.contains("was not ready within 300ms"), "{said}");
    assert_eq!(family.serving(), first);
    converse(address, 1).unwrap();
    family.end();
}

#[test]
fn a_second_upgrade_waits_for_nothing_and_is_refused() {
    let directory = Directory::new("two");
    let program = replaceable(&directory);
    let arguments = ["echo", "--listen", "127.0.0.1:0", "--upgrade-timeout", "1h"];
    let mut family = Family::start(&program, &directory, &arguments);
    let address = family.ready()[0];
    let marker = directory.file("started");
    replace(&program, &format!("echo $$ >{marker}; exec sleep 600"));
    family.ask(Signal::USR2);
    wait_until("the new process has started", || fs::read_to_string(&marker).is_ok_and(|text| text.ends_with('\n')));
    family.ask(Signal::USR2);
    let said = family.line("no upgrade");
    assert!(said.contains("another upgrade is under way"), "{said}");
    converse(address, 1).unwrap();
    // A server that is told to end takes its successor along.
    family.end();
    let successor: i32 = fs::read_to_string(&marker).unwrap().trim().parse().unwrap();
    let successor = Pid::from_raw(successor).unwrap();
    wait_until("the new process has been ended", || test_kill_process(successor).is_err());
}

#[cfg(feature = "admin")]
#[test]
fn a_new_process_that_fails_late_leaves_the_paths_and_the_clients_to_the_old_one() {
    let directory = Directory::new("late");
    let (path, token) = (directory.file("echo.sock"), directory.file("token"));
    let (listen, admin_path) = (format!("unix:{path}"), directory.file("admin.sock"));
    let admin = format!("unix:{admin_path}");
    fs::write(&token, "0123456789abcdef\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let arguments = ["echo", "--listen", &listen, "--codec", "lines", "--admin", &admin, "--admin-token-file", &token];
    let mut family = Family::start(&program(), &directory, &arguments);
    family.ready();
    let first = family.serving();
    fs::rename(&token, directory.file("hidden")).unwrap();
    family.ask(Signal::USR2);
    let said = family.line("this server goes on");
    assert!(said.contains("ended before it was ready"), "{said}");
    assert_eq!(family.serving(), first);
    for path in [&path, &admin_path] {
        assert!(Path::new(path).exists(), "{path}");
    }
    echoes(UnixStream::connect(&path).unwrap(), "still here\n").unwrap();
    // What was wrong is put right.
    fs::rename(directory.file("hidden"), &token).unwrap();
    family.upgrade();
    echoes(UnixStream::connect(&path).unwrap(), "the new one\n").unwrap();
    family.end();
    for path in [&path, &admin_path] {
        assert!(!Path::new(path).exists(), "the last one removes it: {path}");
    }
}

#[test]
fn a_new_process_that_cannot_write_its_pid_file_has_accepted_nobody() {
    let (directory, pids) = (Directory::new("pid"), Directory::new("pid-file"));
    let arguments = ["echo", "--listen", "127.0.0.1:0", "--codec", "lines"];
    let mut family = Family::start(&program(), &pids, &arguments);
    let address = family.ready()[0];
    let (first, away, is_over) = (family.serving(), directory.file("away"), AtomicBool::new(false));
    fs::rename(&pids.0, &away).unwrap();
    let upgraded = std::thread::scope(|scope| {
        let _over = Over(&is_over);
        for _ in 0..3 {
            scope.spawn(|| {
                let mut number = 0;
                while !is_over.load(Ordering::Relaxed) {
                    converse(address, number).unwrap_or_else(|error| panic!("connection {number}: {error}"));
                    number += 1;
                }
            });
        }
        (0..5).find(|_| {
            kill_process(first, Signal::USR2).unwrap();
            !family.line("; this server goes on").contains("ended before it was ready")
        })
    });
    fs::rename(&away, &pids.0).unwrap();
    assert_eq!((upgraded, family.count("could not write --pid-file") >= 5), (None, true), "{:#?}", family.seen);
    family.end();
}

#[test]
fn the_old_process_says_how_the_new_one_ended_and_its_own_cut_is_no_fault_of_its_listeners() {
    let directory = Directory::new("successor");
    let arguments = ["echo", "--listen", "127.0.0.1:0", "--codec", "lines", "--drain-timeout", "5s"];
    let mut family = Family::start(&program(), &directory, &arguments);
    let address = family.ready()[0];
    let mut working = TcpStream::connect(address).unwrap();
    working.write_all(b"an answer\nhalf a line").unwrap();
    working.read_exact(&mut [0; 10]).unwrap();
    family.upgrade();
    let successor = family.serving();
    family.ask(Signal::KILL);
    let said = family.line(", which has taken over, ended: ");
    assert!(said.contains(&successor.as_raw_nonzero().to_string()) && said.contains("signal: 9"), "{said}");
    wait_until("it is no zombie", || test_kill_process(successor).is_err());
    family.line(" 0 whole, 1 cut");
    // Where io_uring is refused, each process says that it falls back.
    assert_eq!(family.count("WARN"), family.count("falling back to the backend poll"), "{:#?}", family.seen);
    fs::remove_file(&family.pid_file).unwrap();
}

#[cfg(feature = "admin")]
#[test]
fn the_log_says_that_the_server_is_upgraded_only_if_it_is_tried() {
    let directory = Directory::new("refused");
    let program = replaceable(&directory);
    let admin = format!("unix:{}", directory.file("admin.sock"));
    let arguments = ["echo", "--listen", "127.0.0.1:0", "--admin", &admin, "--upgrade-timeout", "1h"];
    let mut family = Family::start(&program, &directory, &arguments);
    family.ready();
    let marker = directory.file("started");
    replace(&program, &format!("echo $$ >{marker}; exec sleep 600"));
    family.ask(Signal::USR2);
    wait_until("the new process has started", || fs::read_to_string(&marker).is_ok_and(|text| text.ends_with('\n')));
    let output = proactor(&["admin", "--admin", &admin, "upgrade"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("another upgrade is under way"), "{said}");
    family.end();
    assert_eq!(family.count("the server is upgraded"), 0, "{:#?}", family.seen);
}
