//! A `nats-server` of the test's own.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program: what `NATS_SERVER` names, or where Debian has it. `None`, with a reason, if it is
/// not there.
pub(crate) fn program() -> Option<PathBuf> {
    let named = std::env::var_os("NATS_SERVER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|folder| folder.join("nats-server"));
    let found = named.into_iter().chain(usual).find(|program| program.is_file());
    if found.is_none() {
        eprintln!("skipped: there is no nats-server; ci/cluster.sh installs it, and NATS_SERVER may name it");
    }
    found
}

/// A port that nobody listens on now. It lies outside the system's range for port 0, so no other
/// program gets it before the server binds it, or while the server is away.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(97);
    let mut ports = std::iter::repeat_with(|| {
        let number = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + number % COUNT).unwrap()
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.by_ref().take(COUNT as usize).find(is_free).expect("a port is free")
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it took too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A folder that goes with it.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("proactor-nats-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) struct Broker {
    program: PathBuf,
    pub(crate) port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Broker {
    /// `None` without the program.
    pub(crate) fn start(arguments: &[&str]) -> Option<Broker> {
        let mut broker = Broker::at(free_port(), arguments)?;
        broker.restart();
        Some(broker)
    }

    /// One that does not run yet.
    pub(crate) fn at(port: u16, arguments: &[&str]) -> Option<Broker> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Some(Broker { program: program()?, port, arguments, child: None })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// What JetStream says to a request of its administrator.
    pub(crate) fn ask(&self, what: &str, body: &Value) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer: Value = runtime.block_on(async {
            let client = async_nats::connect(self.url()).await.unwrap();
            let answer = client.request(format!("$JS.API.{what}"), body.to_string().into()).await.unwrap();
            serde_json::from_slice(&answer.payload).unwrap()
        });
        assert!(answer.get("error").is_none(), "{what}: {answer}");
        answer
    }

    pub(crate) fn restart(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string()]).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let port = self.port;
        wait_until("nats-server to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
