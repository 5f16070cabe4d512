//! Completions and manual pages: they have every command and every option.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{run, windows};

const COMMANDS: [&str; 8] = ["echo", "chat", "proxy", "bench", "doctor", "run", "config", "completions"];

fn said(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The long options of a command, from its help.
fn options(command: &str) -> Vec<String> {
    let help = said(&[command, "--help"]);
    let lines = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let names = lines.map(|line| line.split([' ', '=', '[']).next().unwrap().to_owned());
    let names: Vec<String> =
        names.filter(|name| name.chars().all(|sign| sign.is_ascii_lowercase() || sign == '-')).collect();
    assert!(names.len() > 1, "{help}");
    names
}

#[test]
fn completions_have_every_command_and_option() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = said(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{command} is not completed in {shell}");
        }
        for command in ["echo", "chat", "proxy", "bench"] {
            for name in options(command) {
                // fish has names without the dashes.
                assert!(script.contains(&name), "{command} --{name} is not completed in {shell}");
            }
        }
    }
    let output = run(&["completions", "tcsh"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && text.contains("bash") && text.contains("zsh"), "{text}");
}

#[cfg(unix)]
#[test]
fn bash_completes_what_was_begun() {
    if windows() {
        return;
    }
    let completed = |words: &[&str]| {
        let script = format!(
            "{}\nCOMP_WORDS=({}) COMP_CWORD={}\n_proactor proactor '{}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            said(&["completions", "bash"]),
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        let output = Command::new("bash").args(["--norc", "--noprofile", "-c", &script]).output();
        let output = output.expect("this test needs bash");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed(&["proactor", "ch"]), ["chat"]);
    assert_eq!(completed(&["proactor", "chat", "--max-s"]), ["--max-sessions", "--max-sessions-per-ip"]);
    assert_eq!(completed(&["proactor", "chat", "--slow-consumer", "d"]), ["drop-oldest"]);
}

#[test]
fn manual_pages_have_every_option() {
    let page = said(&["man"]);
    assert!(page.contains(".TH proactor 1") && COMMANDS.iter().all(|command| page.contains(command)), "{page}");
    for command in ["echo", "chat", "proxy", "bench"] {
        let page = said(&["man", command]);
        assert!(page.contains(&format!(".TH proactor-{command} 1")), "{page}");
        for name in options(command) {
            // As roff has dashes.
            let name = format!("\\-\\-{}", name.replace('-', "\\-"));
            assert!(page.contains(&name), "{name} is not on the page of {command}");
        }
    }
    assert!(said(&["man", "config", "check"]).contains("FILE"));
    let output = run(&["man", "tcsh"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("'tcsh'") && text.contains("chat"), "{text}");
}

#[test]
fn all_pages_are_written_into_a_directory() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("man-{}", std::process::id()));
    said(&["man", "--out", directory.to_str().unwrap()]);
    for name in ["", "-echo", "-chat", "-proxy", "-bench", "-doctor", "-run", "-config", "-config-check"] {
        let page = fs::read_to_string(directory.join(format!("proactor{name}.1"))).unwrap();
        assert!(page.contains(".SH NAME"), "{name}");
    }
    // A file is no directory.
    let page = directory.join("proactor.1");
    let output = run(&["man", "--out", page.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("could not write the manual pages"), "{text}");
    fs::remove_dir_all(&directory).unwrap();
}
