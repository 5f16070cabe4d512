//! Writing to standard output, standard error and the log. Nothing here panics, and a server goes
//! on where nobody can be told anything.

use std::error::Error;
use std::fmt;
use std::io::{self, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use crate::{left_out, meant};

/// Prints what a command was run for. Its failure is the command's.
pub(crate) fn product(text: &str) -> Result<(), Unprinted> {
    let mut stdout = stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Unprinted)
}

/// Says something on standard error, if that can be.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let line = match AS_JSON.load(Ordering::Relaxed) {
        false => format!("proactor: {line}\n"),
        true => json(&line.to_string()),
    };
    // One write, so that lines of several threads do not mix.
    let _ = stderr().write_all(line.as_bytes());
}

/// Whether what is said is JSON, as the log is: see `--log`.
static AS_JSON: AtomicBool = AtomicBool::new(false);

pub(crate) fn set_json(as_json: bool) {
    AS_JSON.store(as_json, Ordering::Relaxed);
}

/// A line with the fields that lines of the log have.
fn json(message: &str) -> String {
    let timestamp = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    format!("{}\n", serde_json::json!({ "timestamp": timestamp, "level": "INFO", "message": message }))
}

/// Says why a command has failed.
pub(crate) fn failure(problem: &(dyn Error + 'static)) -> ExitCode {
    match problem.downcast_ref::<Unprinted>() {
        // The reader has seen all it wanted, as with `| head`.
        Some(Unprinted(error)) if is_reader_gone(error) => {}
        _ => say(format_args!("{problem}")),
    }
    ExitCode::FAILURE
}

fn is_reader_gone(error: &io::Error) -> bool {
    // ERROR_PIPE_NOT_CONNECTED, for which the standard library has no kind.
    error.kind() == io::ErrorKind::BrokenPipe || (cfg!(windows) && error.raw_os_error() == Some(233))
}

/// Prints a help, a version, or what is wrong with the arguments.
pub(crate) fn usage(answer: &clap::Error) -> ExitCode {
    let status = u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
    // Without the names that clap takes for near ones.
    if let Some(remedy) = left_out::remedy(answer).or_else(|| meant::instead(answer)) {
        say(format_args!("{remedy}"));
        return status;
    }
    let printed = answer.print().and_then(|()| stdout().flush());
    match printed {
        Err(error) if !answer.use_stderr() => failure(&Unprinted(error)),
        _ => status,
    }
}

/// What a command was run for could not be printed.
#[derive(Debug)]
pub(crate) struct Unprinted(io::Error);

impl fmt::Display for Unprinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not write to standard output: {}", self.0)
    }
}

impl Error for Unprinted {}

/// Where log lines go: standard error. A line that cannot be written is lost without a word, since
/// there is nowhere to put one.
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
