//! What somebody meant who typed an argument that other programs have.

use std::net::SocketAddr;

use clap::error::{ContextKind, ContextValue};

/// What to write instead, if that is clear.
pub(crate) fn instead(error: &clap::Error) -> Option<String> {
    let usage = error.get(ContextKind::Usage)?.to_string();
    let is_program = |word: &str| word.strip_suffix(".exe").unwrap_or(word) == "proactor";
    let command = usage.split_whitespace().skip_while(|word| !is_program(word)).nth(1)?;
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let typed = word(ContextKind::InvalidArg).or_else(|| word(ContextKind::InvalidSubcommand))?;
    let instead = replacement(command, typed)?;
    Some(format!("'{typed}' is not an argument of `proactor {command}`: write {instead}"))
}

fn replacement(command: &str, typed: &str) -> Option<String> {
    let is_server = matches!(command, "echo" | "chat" | "proxy");
    match typed {
        "--port" | "-p" if is_server => {
            Some("--listen 127.0.0.1:PORT, or --listen 0.0.0.0:PORT for all interfaces".into())
        }
        "--tls" if is_server && cfg!(feature = "tls") => {
            Some("--tls-cert FILE --tls-key FILE (`proactor dev-cert` makes a pair to try)".into())
        }
        _ if typed.parse::<SocketAddr>().is_err() && !typed.starts_with("unix:") => None,
        _ => {
            let option = match command {
                "echo" | "chat" => "--listen",
                "proxy" => "--upstream",
                "bench" => "--connect",
                "admin" | "cluster" | "top" => "--admin",
                _ => return None,
            };
            Some(format!("{option} {typed}"))
        }
    }
}
