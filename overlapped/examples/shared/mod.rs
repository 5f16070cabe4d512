//! What the four examples share.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;

use overlapped::Engine;

/// Prints a line. Unlike `println!`, it does not panic where nobody reads: a server goes on.
pub(crate) fn print(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// The same for an error.
pub(crate) fn tell(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The address to listen on: the program's argument, or a port that the system chooses.
pub(crate) fn address() -> SocketAddr {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    argument.parse().unwrap_or_else(|_| {
        let why = "is not an address to listen on, such as 127.0.0.1:7777 or [::1]:7777";
        tell(format_args!("'{argument}' {why}"));
        std::process::exit(2);
    })
}

/// Raises the limit of open files as far as the system permits: every connection is an open file.
/// (Windows has no such limit.)
pub(crate) fn raise_open_files() {
    #[cfg(unix)]
    raise_limit();
}

#[cfg(unix)]
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Calls `stop` on a thread of its own when the program is asked to end: Ctrl-C, SIGTERM, or
/// closing the console.
pub(crate) fn on_interrupt(stop: impl FnOnce() + Send + 'static) -> Result<(), ctrlc::Error> {
    let mut stop = Some(stop);
    ctrlc::set_handler(move || {
        // Later signals are ignored: the program is ending.
        if let Some(stop) = stop.take() {
            stop();
        }
    })
}

/// Prints the last line of every example: everything must be 0.
pub(crate) fn print_live(engine: &Engine) {
    let live = engine.live();
    print(format_args!("left: {} operations, {} buffers, {} sockets", live.operations, live.buffers, live.sockets));
}
