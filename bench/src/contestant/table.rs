//! The contestants that are known by name, and how each is written. A new one is a row here: for
//! every service, how it is written, what program that is, and how it is started.

use loadgen::workload::Case;
use peer_cli::Service;

use super::offer::{Contestant, Offer};
use super::program::{Native, Program};

use Service::{Chat, Echo, Framed, Http, Stream, Tls, WebSocket, WebSocketChat};

const OWNED: &str = "io_uring driver, a task a connection, read and write_all with an owned 16 KiB buffer, TCP_NODELAY";

/// For streams, next to how echo is written.
const LARGE: &str = "as echo, with 64 KiB buffers";

const TOKIO_RUSTLS: &str = "tokio-rustls on a current_thread runtime, a task a connection, read, write_all and flush, \
    16 KiB buffer, TCP_NODELAY";

const ASIO: Native = Native {
    name: "peer-asio",
    source: "peers/asio/main.cpp",
    compiler: "g++",
    flags: &["-std=c++20", "-O2", "-pthread"],
    // Nothing but headers, which Debian puts where the compiler looks.
    libraries: &[],
    packages: "g++ libasio-dev",
};

const LIBUV: Native = Native {
    name: "peer-libuv",
    source: "peers/libuv/main.c",
    compiler: "gcc",
    flags: &["-O2"],
    libraries: &["libuv"],
    packages: "gcc pkg-config libuv1-dev",
};

/// All known contestants, in the order of the reports.
pub(super) fn table() -> Vec<Contestant> {
    vec![
        ours("ours", "", "auto"),
        ours("ours-poll", ", backend poll", "poll"),
        peer(
            "event",
            "peer-event",
            &[(Echo, "overlapped model I: a local engine, an event a session, a kept WaitSet, one thread")],
        ),
        model(
            "routine",
            "examples/echo_routine",
            "overlapped model II: a local engine, a completion routine for every operation",
        ),
        peer("port", "peer-port", &[(Echo, "overlapped model III: a local engine, a completion port, one thread")]),
        model("future", "examples/echo_future", "overlapped model IV: a local engine, a future a session"),
        peer(
            "tokio",
            "peer-tokio",
            &[(Echo, "current_thread runtime, a task a connection, read and write_all, 16 KiB buffer, TCP_NODELAY")],
        ),
        peer("tokio-64k", "peer-tokio", &[(Stream, "as tokio, with 64 KiB buffers")]),
        peer("tokio-rustls", "peer-tokio-rustls", &[(Tls, TOKIO_RUSTLS)]),
        with_64k("tokio-rustls-64k", "peer-tokio-rustls", Tls, "as tokio-rustls, with a 64 KiB buffer"),
        threaded(
            "event-threads",
            &Program::Peer("peer-event"),
            "1",
            "overlapped model I: an engine with a thread, an event a session, a kept WaitSet, one serving thread",
        ),
        threaded(
            "port-threads",
            &Program::Peer("peer-port"),
            "1",
            "overlapped model III: an engine with a thread, a completion port, one serving thread",
        ),
        threaded(
            "port-threads-2",
            &Program::Peer("peer-port"),
            "2",
            "overlapped model III: an engine with a thread, a completion port, two serving threads",
        ),
        threaded(
            "tokio-threads",
            &Program::Peer("peer-tokio"),
            "2",
            "multi-thread runtime with two workers, a task a connection, read and write_all, 16 KiB buffer, TCP_NODELAY",
        ),
        threaded(
            "asio-threads",
            &Program::Native(ASIO),
            "2",
            "C++20, standalone Asio, two threads run one io_context, callbacks, a shared session with its 16 KiB buffer, async_read_some and async_write, TCP_NODELAY",
        ),
        tokio_util("tokio-util", "drained", "flushed when drained"),
        tokio_util("tokio-util-packet", "packet", "flushed after each packet"),
        peer(
            "tokio-http",
            "peer-hyper",
            &[(Http, "hyper's http1 server on a current_thread runtime of tokio, a task a connection, TCP_NODELAY")],
        ),
        peer(
            "tokio-tungstenite",
            "peer-tungstenite",
            &[(
                WebSocket,
                "tokio-tungstenite on a current_thread runtime, a task a connection, read buffer of 16 KiB, TCP_NODELAY",
            )],
        ),
        peer(
            "fastwebsockets",
            "peer-fastwebsockets",
            &[(
                WebSocket,
                "fastwebsockets upgraded by hyper on a current_thread runtime of tokio, a task a connection, TCP_NODELAY",
            )],
        ),
        peer(
            "tokio-frames",
            "peer-tungstenite",
            &[(
                WebSocketChat,
                "current_thread runtime of tokio, broadcast channel of frames that are made once, two tasks a member, all \
                 that is ready in one write, TCP_NODELAY",
            )],
        ),
        peer("monoio", "peer-monoio", &[(Echo, OWNED), (Stream, LARGE)]),
        peer("compio", "peer-compio", &[(Echo, OWNED), (Stream, LARGE)]),
        listening(
            "asio",
            &Program::Native(ASIO),
            &[
                (
                    Echo,
                    "C++20, standalone Asio, io_context with concurrency hint 1, callbacks, a shared session with its \
                     16 KiB buffer, async_read_some and async_write, TCP_NODELAY",
                ),
                (Stream, LARGE),
            ],
        ),
        listening(
            "libuv",
            &Program::Native(LIBUV),
            &[
                (
                    Echo,
                    "C, a read callback, uv_try_write and uv_write for the rest, one 16 KiB buffer for all, TCP_NODELAY",
                ),
                (Stream, LARGE),
            ],
        ),
        peer(
            "glommio",
            "peer-glommio",
            &[
                (
                    Echo,
                    "local executor on io_uring, a task a connection, read and write_all: io_uring says when, recv \
                     and send are system calls, 16 KiB buffer, TCP_NODELAY",
                ),
                (Stream, LARGE),
            ],
        ),
        peer(
            "epoll",
            "peer-epoll",
            &[
                (Echo, "bare level-triggered epoll loop, one 16 KiB buffer for all, TCP_NODELAY"),
                (Stream, LARGE),
            ],
        )
        .floor(),
        peer(
            "io_uring",
            "peer-io-uring",
            &[
                (
                    Echo,
                    "bare io_uring loop, multishot accept and receive, direct descriptors, ring of 16 KiB buffers, sent \
                     from where received, one submit_and_wait a turn, TCP_NODELAY",
                ),
                (Stream, "as echo, with 8 buffers of 256 KiB that the kernel fills piece by piece"),
                (
                    Chat,
                    "bare io_uring loop, every packet appended once to a shared log, a member is a position in it, one \
                     send in flight a member takes all there is, TCP_NODELAY",
                ),
            ],
        )
        .floor(),
    ]
}

/// Ours, on one of its backends.
fn ours(name: &str, remark: &str, backend: &str) -> Contestant {
    let proactor = Program::Root { path: "proactor", build: "cargo build --release" };
    let offer = |service, how: &str, command: &[&str]| {
        let arguments = [command, &["--listen", "127.0.0.1:0", "--backend", backend]].concat();
        Offer::new(service, &format!("{how}{remark}"), proactor.clone(), &arguments).sized(sized)
    };
    let http = Program::Root { path: "examples/http", build: "cargo build --release -p proactor --example http" };
    let how = format!("hyper on async sessions, proactor's example http, one shard{remark}");
    Contestant::new(
        name,
        vec![
            offer(Echo, "proactor echo, one shard", &["echo"]),
            offer(Framed, "proactor echo --codec length, one shard", &["echo", "--codec", "length"]),
            offer(Chat, "proactor chat --codec length, one shard", &["chat", "--codec", "length"]),
            offer(WebSocket, "proactor echo --websocket, one shard", &["echo", "--websocket"]),
            offer(WebSocketChat, "proactor chat --websocket, one shard", &["chat", "--websocket"]),
            offer(Tls, "proactor echo --tls-cert, one shard", &["echo"]),
            Offer::new(Http, &how, http, &["127.0.0.1:0"]).environment("PROACTOR_BACKEND", backend),
        ],
    )
}

/// Descriptors of the program that are not sessions, by its own count, and as many to spare.
const OTHER_DESCRIPTORS: usize = 128;

/// One shard or as many as the case asks for. For more sessions than open files, as many as it
/// takes: each has a table of direct descriptors, as large as that limit.
fn sized(case: &Case, open_files: usize) -> Vec<String> {
    let (sessions, each) = (case.sessions(), open_files.saturating_sub(OTHER_DESCRIPTORS).max(1));
    let asked = if case.has("shards") { case.get("shards") } else { 0 };
    let patience = if case.has("drain") && case.get("drain") > 0 { vec!["--drain-timeout", "120s"] } else { vec![] };
    let patience = patience.into_iter().map(String::from);
    if sessions <= each {
        return ["--shards".into(), asked.max(1).to_string()].into_iter().chain(patience).collect();
    }
    let (most, shards) = (sessions + sessions / 100, (sessions + sessions / 100).div_ceil(each));
    let options = [("--shards", shards.max(asked)), ("--max-sessions", most)];
    let options = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()]);
    options.chain(["--direct-descriptors".to_owned()]).chain(patience).collect()
}

/// The codecs of tokio-util, with one of the two habits of flushing what was written.
fn tokio_util(name: &str, flush: &str, remark: &str) -> Contestant {
    let offer = |service: Service, how: &str| {
        let arguments = [service.name(), "--listen", "127.0.0.1:0", "--flush", flush];
        Offer::new(service, &format!("{how}, {remark}, TCP_NODELAY"), Program::Peer("peer-tokio-util"), &arguments)
    };
    let framed = "current_thread runtime, a task a connection, LengthDelimitedCodec with 16 KiB buffers";
    let chat =
        "current_thread runtime, broadcast channel, two tasks a member, LengthDelimitedCodec with 16 KiB buffers";
    Contestant::new(name, vec![offer(Framed, framed), offer(Chat, chat)])
}

/// An example of the crate overlapped, which takes an address and echoes.
fn model(name: &str, path: &'static str, how: &str) -> Contestant {
    let program = Program::Root { path, build: "cargo build --release -p overlapped --examples" };
    Contestant::new(name, vec![Offer::new(Echo, how, program, &["127.0.0.1:0"])])
}

/// A peer that reads 64 KiB at once.
fn with_64k(name: &str, package: &'static str, service: Service, how: &str) -> Contestant {
    let arguments = [service.name(), "--listen", "127.0.0.1:0", "--buffer", "65536"];
    Contestant::new(name, vec![Offer::new(service, how, Program::Peer(package), &arguments)])
}

/// An echo peer with several threads. They share the server's one core, as every contestant does:
/// what is compared is the cost of the hand-over between threads, not how it scales over cores.
fn threaded(name: &str, program: &Program, threads: &str, how: &str) -> Contestant {
    let arguments = [Echo.name(), "--listen", "127.0.0.1:0", "--threads", threads];
    Contestant::new(name, vec![Offer::new(Echo, how, program.clone(), &arguments)])
}

/// A package of this workspace, started for each service as `SERVICE --listen 127.0.0.1:0`.
fn peer(name: &str, package: &'static str, services: &[(Service, &str)]) -> Contestant {
    listening(name, &Program::Peer(package), services)
}

/// A program that takes the same command line as the peers.
fn listening(name: &str, program: &Program, services: &[(Service, &str)]) -> Contestant {
    let offers = services
        .iter()
        .map(|&(service, how)| Offer::new(service, how, program.clone(), &[service.name(), "--listen", "127.0.0.1:0"]));
    Contestant::new(name, offers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_has_shards_for_more_sessions_than_open_files() {
        let options = |case: &str| sized(&case.parse().unwrap(), 20_000).join(" ");
        assert_eq!(options("pingpong:connections=512"), "--shards 1");
        assert_eq!(options("pingpong:connections=512,shards=4"), "--shards 4");
        assert_eq!(options("idle:drain=1"), "--shards 1 --drain-timeout 120s");
        assert_eq!(options("idle:sessions=1000000"), "--shards 51 --max-sessions 1010000 --direct-descriptors");
        assert_eq!(options("churn:connections=64,idle=99936"), "--shards 6 --max-sessions 101000 --direct-descriptors");
    }
}
