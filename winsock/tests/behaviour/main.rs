//! Runs the cases of `tests/cases` on this library and compares what they print with what the same
//! sources print under Wine.
//!
//! The outputs under Wine are recorded beside the sources (`ci/winsock.sh --record`), so this needs
//! no Wine. What differs on purpose is listed in `tests/differences.txt`.
//!
//! `WINSOCK_TEST_FLAGS` is added to the compiler's command line, `WINSOCK_TEST_BACKENDS` selects
//! the backends, and `WINSOCK_TEST_CASES` the cases whose name contains it.
#![cfg(target_os = "linux")]

mod compare;
mod differences;
mod program;
mod surface;

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use compare::compare;
use differences::Differences;
use program::Program;

/// Longer than any case takes. A case that is killed by this limit hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Compilers at once.
const COMPILERS: usize = 2;
/// Programs at once. They wait most of their time.
const PROGRAMS: usize = 3;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The sources that Wine runs too, in the order of their names.
fn sources() -> Vec<PathBuf> {
    sources_in("cases")
}

fn sources_in(subfolder: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder().join(subfolder)).expect("the folder of the cases can be read");
    let mut sources: Vec<_> = files.flatten().map(|file| file.path()).collect();
    sources.retain(|file| file.extension().is_some_and(|it| it == "c" || it == "cpp"));
    sources.sort();
    sources
}

fn name(source: &Path) -> String {
    source.file_stem().expect("a source has a name").to_string_lossy().into_owned()
}

fn recorded(source: &Path) -> String {
    let file = source.with_extension("expected");
    std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}. Record it: bash ci/winsock.sh --record", file.display()))
}

/// Does the jobs, a few at once, and collects what they report.
fn in_parallel<T: Send>(at_once: usize, jobs: Vec<T>, run: impl Fn(T) -> Option<String> + Sync) -> Vec<String> {
    let (jobs, reports) = (Mutex::new(jobs.into_iter()), Mutex::new(Vec::new()));
    let next = || jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(job) = next() {
                    if let Some(report) = run(job) {
                        reports.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(report);
                    }
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    reports.sort();
    reports
}

#[test]
fn cases_print_what_they_print_under_wine() {
    run_and_compare(sources());
}

/// What Wine cannot run: their outputs are written by hand.
#[test]
fn cases_of_this_system() {
    run_and_compare(sources_in("native"));
}

fn run_and_compare(mut sources: Vec<PathBuf>) {
    let differences = Differences::read(&folder().join("differences.txt"));
    let backends = std::env::var("WINSOCK_TEST_BACKENDS").unwrap_or_else(|_| "poll io_uring".to_owned());
    let selected = std::env::var("WINSOCK_TEST_CASES").unwrap_or_default();
    sources.retain(|source| name(source).contains(&selected));

    let programs = Mutex::new(Vec::new());
    let mut reports = in_parallel(COMPILERS, sources, |source| match Program::compile(&source) {
        Ok(program) => {
            programs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((source, program));
            None
        }
        Err(error) => Some(format!("{}: {error}", name(&source))),
    });
    let programs = programs.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runs = programs.iter().flat_map(|it| backends.split_whitespace().map(move |backend| (it, backend))).collect();
    reports.extend(in_parallel(PROGRAMS, runs, |((source, program), backend): (&(PathBuf, Program), &str)| {
        let attempt = || match program.run(backend, LIMIT) {
            Ok(ours) => compare(&name(source), &ours, &recorded(source), &differences),
            Err(error) => Some(error),
        };
        // Some cases give another thread a few milliseconds, for which a busy machine may be late.
        let report = attempt().and_then(|first| {
            eprintln!("{} on {backend} is tried again: {first}", name(source));
            attempt().and_then(|_| attempt())
        });
        report.map(|report| format!("{} on {backend}:\n{report}", name(source)))
    }));
    assert!(reports.is_empty(), "{} reports\n\n{}", reports.len(), reports.join("\n\n"));
}

#[test]
fn differences_name_cases_and_lines_that_exist() {
    let differences = Differences::read(&folder().join("differences.txt"));
    let recorded: Vec<_> = sources().iter().map(|source| (name(source), recorded(source))).collect();
    let stale = differences.without_a_line(&recorded);
    assert!(stale.is_empty(), "stale rows of differences.txt:\n{}", stale.join("\n"));
}

#[test]
fn there_are_many_checks() {
    let checks: usize = sources().iter().map(|source| recorded(source).lines().count()).sum();
    assert!(checks >= 400, "{checks} lines are compared");
}
