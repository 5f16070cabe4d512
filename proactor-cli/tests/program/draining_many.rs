//! A drain of thousands of sessions that is spread over a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::admin::client::{ask, get, start};
use crate::harness::{Running, variable, wait_until};

/// How many: thousands, or fewer under Wine.
fn sessions() -> usize {
    variable("PROACTOR_TEST_CONNECTIONS").map_or(5_000, |count| count.to_str().unwrap().parse().unwrap())
}

/// What the tests beside these have open.
const OTHERS: u64 = 3_000;

/// Lets this process have the clients of both tests. The server is a process of its own, and raises
/// its limit itself.
fn raise_open_files() {
    let needed = 2 * sessions() as u64 + OTHERS;
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = maximum.unwrap_or(u64::MAX);
    assert!(
        most >= needed,
        "{needed} open files are needed, and {most} are permitted: raise the hard limit (ulimit -Hn)"
    );
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// A server with sessions that have all said something.
fn serving(drain_timeout: &str, spread: &str) -> (Running, SocketAddr, Clients) {
    raise_open_files();
    let drain = ["--drain-timeout", drain_timeout, "--drain-spread", spread];
    let (echo, admin) = start("echo", &[&["--codec", "lines", "--shards", "2"], drain.as_slice()].concat());
    let open: Vec<TcpStream> = (0..sessions()).map(|_| echo.connect()).collect();
    for mut client in &open {
        client.write_all(b"hello\n").unwrap();
        client.read_exact(&mut [0; 6]).unwrap();
        client.set_nonblocking(true).unwrap();
    }
    assert_eq!(ask(admin, "GET", "/readyz").status, 200);
    (echo, admin, Clients { open, whole: 0, cut: 0 })
}

/// Clients, and how those of them ended that the server has closed.
struct Clients {
    open: Vec<TcpStream>,
    whole: usize,
    cut: usize,
}

impl Clients {
    /// Looks which have ended by now.
    fn look(&mut self) {
        self.open.retain_mut(|client| match client.read(&mut [0]) {
            Ok(bytes) => {
                assert_eq!(bytes, 0, "nobody has asked for more");
                self.whole += 1;
                false
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                self.cut += 1;
                false
            }
        });
    }
}

/// Sends the signal. Load balancers hear of it before the first session ends.
fn drain(echo: &Running, admin: SocketAddr) {
    echo.interrupt();
    wait_until("it is not ready", || ask(admin, "GET", "/readyz").status == 503);
}

#[test]
fn closes_are_spread_and_nothing_is_accepted_meanwhile() {
    let (mut echo, admin, mut clients) = serving("60s", "3s");
    drain(&echo, admin);
    wait_until("it accepts no more", || TcpStream::connect(echo.addresses[0]).is_err());
    // A moment at which some have ended and some have not shows that they do not end at once.
    let mut seen = Vec::new();
    wait_until("all have ended", || {
        clients.look();
        seen.push(clients.whole);
        thread::sleep(Duration::from_millis(50));
        clients.open.is_empty()
    });
    let between = seen.iter().filter(|ended| (1..sessions()).contains(*ended)).count();
    assert!(between >= 3 && clients.whole == sessions(), "{seen:?}");
    assert_eq!(echo.ended().code(), Some(0));
    let (_, summary) = echo.rest_of_log();
    assert!(summary.contains(" whole, 0 cut"), "{summary}");
}

#[test]
fn the_deadline_holds_for_those_at_work_and_the_others_end_whole() {
    // After the spread a busy machine has several seconds to see the last ends.
    let (mut echo, admin, mut clients) = serving("6s", "500ms");
    let half = sessions() / 2;
    for client in &mut clients.open[..half] {
        client.write_all(b"half").unwrap();
    }
    let bytes = sessions() * b"hello\n".len() + half * b"half".len();
    wait_until("all of it has come", || get(admin, "/status")["received_bytes"] == bytes);
    drain(&echo, admin);
    wait_until("all have ended", || {
        clients.look();
        clients.open.is_empty()
    });
    assert_eq!((clients.whole, clients.cut), (half, half));
    assert_eq!(echo.ended().code(), Some(3));
    let (_, summary) = echo.rest_of_log();
    assert!(summary.contains(&format!(", drained {half} whole, {half} cut")), "{summary}");
    assert!(summary.contains("a longer --drain-timeout"), "{summary}");
}
