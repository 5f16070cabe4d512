//! From options to a checked plan. An error names the option and the remedy.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use loadgen::echo::plan::Plan;
use loadgen::echo::script::{Content, Expected, Script};
use loadgen::tls::Tls;
use overlapped::{Address, DriverConfig};
use proactor::Target;
use proactor::codec::Codec;

use super::options::{Answer, Bench};
use crate::codec::CodecChoice;
use crate::system::{self, RAISE_FILES};

/// Descriptors that are not connections: standard streams, output files, a few per thread.
const OTHER_FILES: u64 = 64;

/// Bytes that may be outstanding on all connections.
const MOST_UNDER_WAY: usize = 1 << 30;

const USUAL_SIZE: usize = 64;

/// Longest answer with `--answer any`.
const LONGEST_ANSWER: usize = 1 << 20;

/// The run that the options describe.
pub(super) fn plan(bench: &Bench) -> Result<Plan, String> {
    let script = script(bench)?;
    let connections = bench.connections;
    let files = system::raise_open_files().unwrap_or(u64::MAX);
    let most = files.saturating_sub(OTHER_FILES);
    if connections as u64 > most {
        return Err(format!(
            "--connections {connections} needs {} open files, but the limit is {files}: {RAISE_FILES}, or use at most {most} connections",
            (connections as u64).saturating_add(OTHER_FILES)
        ));
    }
    let threads = match bench.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(connections),
        threads if threads > connections => {
            return Err(format!(
                "--threads {threads} is more than --connections {connections}: a thread needs a connection"
            ));
        }
        threads => threads,
    };
    let sockets = DriverConfig::new().most_sockets().saturating_mul(threads);
    if connections > sockets {
        return Err(format!(
            "--connections {connections}: {threads} threads have room for {sockets}; use more --threads"
        ));
    }
    let frame = script.size + bench.codec.overhead();
    let under_way = connections.saturating_mul(bench.pipeline).saturating_mul(frame);
    if under_way > MOST_UNDER_WAY {
        return Err(format!(
            "--connections {connections} with --pipeline {} messages of --size {} would be {} MiB outstanding, and the limit is {}: reduce one of them",
            bench.pipeline,
            script.size,
            under_way >> 20,
            MOST_UNDER_WAY >> 20
        ));
    }
    Ok(Plan {
        target: bench.connect.to_string(),
        address: address(&bench.connect, bench.timeout)?,
        backend: bench.backend.backend(),
        tls: tls(bench)?,
        connections,
        threads,
        pipeline: bench.pipeline,
        rate: bench.rate,
        warmup: bench.warmup,
        duration: bench.duration,
        timeout: bench.timeout,
        connecting: bench.connecting,
        connect_rate: bench.connect_rate,
        codec: bench.codec.to_string(),
        script,
    })
}

/// What the connections speak, if not plain TCP.
#[cfg(feature = "tls")]
fn tls(bench: &Bench) -> Result<Option<Tls>, String> {
    if !bench.is_over_tls {
        return Ok(None);
    }
    let shown = bench.connect.to_string();
    let host = || {
        let (host, _) = shown.rsplit_once(':').filter(|_| !shown.starts_with("unix:"))?;
        Some(host.trim_matches(['[', ']']))
    };
    let name = bench.tls_name.as_deref().or_else(host);
    let name =
        name.ok_or_else(|| format!("{shown} has no name that a certificate could be for; give one: --tls-name"))?;
    Tls::new(bench.tls_ca.as_deref(), name).map(Some).map_err(|why| format!("--tls: {why}"))
}

#[cfg(not(feature = "tls"))]
fn tls(_: &Bench) -> Result<Option<Tls>, String> {
    Ok(None)
}

/// The messages, in the chosen codec.
fn script(bench: &Bench) -> Result<Script, String> {
    let same = match &bench.message {
        None => None,
        Some(_) if bench.size.is_some() => {
            return Err("--message has its own size: leave out --size or --message".into());
        }
        Some(text) => Some(message(text)?),
    };
    let fixed = match bench.codec {
        CodecChoice::Fixed(bytes) => Some(bytes),
        _ => None,
    };
    let size = same.as_ref().map(|message| message.len()).or(bench.size).or(fixed).unwrap_or(USUAL_SIZE);
    let named = match &same {
        Some(_) => format!("--message of {size} bytes"),
        None => format!("--size {size}"),
    };
    if let Some(bytes) = fixed.filter(|bytes| *bytes != size) {
        return Err(format!("{named}: the packets of --codec fixed:{bytes} have {bytes}; leave it out"));
    }
    let expected = match bench.answer {
        Answer::Echo => Expected::Echo,
        Answer::Any => Expected::Any,
    };
    let most = match expected {
        Expected::Echo => size,
        Expected::Any => size.max(LONGEST_ANSWER),
    };
    let codec = bench.codec.for_packets(size, most).map_err(|why| format!("{named}: {why}"))?;
    let content = match (same, bench.codec) {
        (Some(same), _) => Content::Same(same),
        (None, CodecChoice::Lines) => Content::Printable,
        (None, _) => Content::Random,
    };
    if let Content::Same(same) = &content {
        codec.clone().encode(same, &mut Vec::new()).map_err(|error| {
            format!("the codec cannot frame --message: {error}; change it, or choose another --codec")
        })?;
    }
    Ok(Script { content, size, codec, expected, seed: bench.seed })
}

/// The bytes of `--message`: a text, or the content of a file.
fn message(text: &str) -> Result<Arc<[u8]>, String> {
    let bytes = match text.strip_prefix('@') {
        None => text.as_bytes().to_vec(),
        Some(path) => std::fs::read(path).map_err(|error| format!("--message @{path}: {error}"))?,
    };
    if bytes.is_empty() {
        return Err("--message is empty: it must be at least 1 byte".into());
    }
    Ok(bytes.into())
}

/// The address to connect to: of several, the first that answers.
fn address(target: &Target, timeout: Duration) -> Result<Address, String> {
    let text = target.to_string();
    if let Ok(address) = text.parse::<Address>() {
        return Ok(address);
    }
    let looked_up = text.to_socket_addrs().map_err(|error| format!("--connect {text}: {error}"))?;
    let addresses: Vec<SocketAddr> = looked_up.collect();
    let answers = |address: &&SocketAddr| TcpStream::connect_timeout(address, timeout).is_ok();
    let chosen = match addresses.len() {
        1 => addresses.first(),
        // If none answers, connecting reports why.
        _ => addresses.iter().find(answers).or(addresses.first()),
    };
    chosen.map(|address| (*address).into()).ok_or_else(|| format!("--connect {text}: it has no address"))
}
