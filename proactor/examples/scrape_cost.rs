//! What a scrape costs: the processor's time of one, with many sessions, and how long echoes take
//! while somebody scrapes, against without. Linux only.
//!
//! ```text
//! cargo run --release -p proactor --features metrics --example scrape_cost -- \
//!     [SESSIONS] [SHARDS] [SECONDS]
//! ```
//!
//! The sessions (10,000) lie idle on a server of this process, with as many clients: twice as many
//! open files. Where fewer are permitted, the server keeps its ends as direct descriptors of
//! io_uring, which are not counted. One more client echoes 32 bytes, again and again, first alone
//! and then while another thread scrapes ten times a second. Run it on a machine that does nothing
//! else; a difference that is smaller than that of two runs is none.

use std::error::Error;

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), Box<dyn Error>> {
    Err("the processor's time of a thread is read as Linux has it".into())
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn Error>> {
    linux::run()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::io::{self, Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use proactor::metrics::{self, Format, prometheus_client::registry::Registry};
    use proactor::{Flow, Handler, Limits, NoMessage, Server, Session};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    const SCRAPES: u32 = 100;
    /// What else is open: shards, the standard streams, one more client.
    const OTHER_FILES: u64 = 100;
    const BETWEEN_SCRAPES: Duration = Duration::from_millis(100);

    #[derive(Clone)]
    struct Echo;

    impl Handler for Echo {
        type State = ();
        type Message = NoMessage;
        fn connected(&mut self, _: &Session) {}
        fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
            session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
        }
    }

    /// An argument, or what is usual.
    fn argument(at: usize, usual: usize) -> Result<usize, String> {
        let Some(text) = std::env::args().nth(at) else { return Ok(usual) };
        text.parse().map_err(|_| format!("{text:?} is not a number: [SESSIONS] [SHARDS] [SECONDS]"))
    }

    /// The processor's time of this thread until now.
    fn thread_time() -> Result<Duration, Box<dyn Error>> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
        let nanos = text.split(' ').next().unwrap_or_default().parse()?;
        Ok(Duration::from_nanos(nanos))
    }

    /// Echoes for so long. Returns how long each took, the shortest first.
    fn echoes(address: SocketAddr, time: Duration) -> io::Result<Vec<Duration>> {
        let mut client = TcpStream::connect(address)?;
        client.set_nodelay(true)?;
        let (begin, mut took) = (Instant::now(), Vec::new());
        while begin.elapsed() < time {
            let sent = Instant::now();
            client.write_all(&[7; 32])?;
            client.read_exact(&mut [0; 32])?;
            took.push(sent.elapsed());
        }
        took.sort_unstable();
        Ok(took)
    }

    fn print(what: &str, took: &[Duration]) {
        let at = |part: f64| took.get((took.len() as f64 * part) as usize).copied().unwrap_or_default();
        println!(
            "echoes {what}: {} in all, p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}",
            took.len(),
            at(0.5),
            at(0.99),
            at(0.999)
        );
    }

    fn scrape_until(registry: &Registry, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Relaxed) {
            std::hint::black_box(metrics::encode(registry, Format::Prometheus));
            std::thread::sleep(BETWEEN_SCRAPES);
        }
    }

    pub(crate) fn run() -> Result<(), Box<dyn Error>> {
        let (sessions, shards, seconds) = (argument(1, 10_000)?, argument(2, 4)?, argument(3, 10)?);
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        let limits = Limits::new().sessions(sessions + 1);
        let has_few_files = maximum.is_some_and(|files| files < 2 * sessions as u64 + OTHER_FILES);
        let builder = Server::builder().listen("127.0.0.1:0").shards(shards).limits(limits).metrics(true);
        let builder = builder.direct_descriptors(has_few_files);
        let server = builder.start(Echo)?;
        let address = server.local_addrs()[0].ip().ok_or("it listens on no IP address")?;
        let mut clients = Vec::new();
        for number in 0..sessions {
            let client = TcpStream::connect(address)
                .map_err(|error| format!("session {number}: {error}; each needs an open file or two (ulimit -n)"))?;
            clients.push(client);
        }
        let handle = server.handle();
        while handle.sessions() < sessions {
            std::thread::sleep(Duration::from_millis(10));
        }

        let registry = handle.registry();
        let bytes = metrics::encode(&registry, Format::Prometheus).len();
        let before = thread_time()?;
        for _ in 0..SCRAPES {
            std::hint::black_box(metrics::encode(&registry, Format::Prometheus));
        }
        let scrape = (thread_time()? - before) / SCRAPES;
        println!(
            "{sessions} sessions, {shards} shards: a scrape has {bytes} bytes and takes {:.3} ms of CPU time",
            scrape.as_secs_f64() * 1e3
        );

        let time = Duration::from_secs(seconds as u64);
        print("alone", &echoes(address, time)?);
        let is_over = AtomicBool::new(false);
        let scraped = std::thread::scope(|scope| {
            scope.spawn(|| scrape_until(&registry, &is_over));
            let took = echoes(address, time);
            is_over.store(true, Ordering::Relaxed);
            took
        });
        print("while somebody scrapes", &scraped?);
        drop(clients);
        handle.stop();
        Ok(server.wait()?)
    }
}
