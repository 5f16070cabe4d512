//! The compiler driver behind `winsock-cc` and `winsock-c++`.
//!
//! It writes a translated copy of the program's sources into a temporary folder (UTF-8, includes
//! resolved, what only MSVC reads replaced), runs gcc or clang on the copies with the headers of
//! this crate, and links the library. Messages name the original files.
//!
//! `arguments` reads the command line, `project` the files of Visual Studio, `tree` walks the
//! includes, `translate` rewrites one file over the tokens of `scan`, `encoding` finds out how a
//! file is written, `needs` which standard headers a source leaves out, `run` calls the compiler,
//! `scratch` is the temporary folder, which is removed also after a signal: `interrupt`.

#[cfg(target_os = "linux")]
mod arguments;
#[cfg(target_os = "linux")]
mod encoding;
#[cfg(target_os = "linux")]
mod interrupt;
#[cfg(target_os = "linux")]
mod needs;
#[cfg(target_os = "linux")]
mod project;
#[cfg(target_os = "linux")]
mod resolve;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod scan;
#[cfg(target_os = "linux")]
mod scratch;
#[cfg(target_os = "linux")]
mod translate;
#[cfg(target_os = "linux")]
mod tree;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let outcome = run::run(std::env::args_os().skip(1).collect());
    interrupt::end_by_it();
    match outcome {
        Ok(code) => std::process::ExitCode::from(code),
        Err(message) => {
            eprintln!("winsock-c++: {message}");
            std::process::ExitCode::from(1)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
