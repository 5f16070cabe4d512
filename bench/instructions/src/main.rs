//! `instructions WORKLOAD UNITS [IDLE [TIMEOUT]]` runs a server on the simulated network with the
//! load generator beside it, and as many idle sessions, each with an idle timeout of so many
//! seconds. A workload is a name, or a case as `fanout:members=64`, or what is done with UNITS idle
//! sessions: `hold`, `expire` (by an idle timeout) or `drain`. Under
//! `callgrind --toggle-collect=*server_turn*` only the server's turns are counted. With METERED in
//! the environment, the server counts for its metrics. With ROOM=named there, the room of a chat
//! has a name; with ROOM=node or ROOM=bus the server is also the only node of a cluster.

mod cluster;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use loadgen::workload::{self, Case, Generator, Window, Workload};
use overlapped::driver::Wait;
use server::{Identity, Service, World};

/// Their names here, and the cases of the comparison that they are.
const WORKLOADS: [(&str, &str); 9] = [
    ("pingpong64", "pingpong:connections=64"),
    ("pingpong512", "pingpong:connections=512"),
    ("pipelined", "pipelined:connections=16,burst=100"),
    ("fanout16", "fanout:members=500,size=64,outstanding=16"),
    ("fanout1", "fanout:members=500,size=64,outstanding=1"),
    ("churn", "churn:connections=64"),
    ("openloop", "openloop:connections=64,rate=50000"),
    ("tls64", "pingpong:connections=64,tls=1"),
    ("tls64k", "pingpong:connections=16,size=65536,tls=1"),
];

/// How idle sessions end, which then are the units.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Never,
    Timeout,
    Drain,
}

const ENDS: [(&str, End); 3] = [("hold", End::Never), ("expire", End::Timeout), ("drain", End::Drain)];

/// Everything that the server does. Callgrind counts inside this function only.
#[inline(never)]
fn server_turn(server: &mut proactor::Simulation<Service>) -> bool {
    server.turn().expect("a simulated server does not fail")
}

/// Turns of server and clients until the clients have done enough units.
/// With `end`, only the idle sessions are there.
fn run(case: &Case, end: Option<End>, units: u64, idle: usize, timeout: Option<Duration>) -> Result<()> {
    let is_chat = case.workload == Workload::Fanout;
    let identity = case.is_over_tls().then(Identity::make).transpose()?;
    let framed = is_chat || case.workload == Workload::Pipelined;
    let (mut world, driver) = World::new(framed, is_chat, timeout, identity.as_ref());
    if let Some(end) = end {
        // The units are idle sessions.
        world.add_idle(usize::try_from(units)?, server_turn)?;
        if end == End::Drain {
            world.server.handle().drain(Duration::from_secs(60));
        }
        return if end == End::Never { Ok(()) } else { world.end_idle(server_turn) };
    }
    world.add_idle(idle, server_turn)?;
    let mut load = workload::load_of(case)?;
    let connections = load.connections();
    let reconnects = load.reconnects();
    let mut clients = Generator::new(driver, world.server.local_addrs()[0].clone(), &mut *load);
    if let Some(identity) = identity {
        clients = clients.over(identity.clients);
    }
    let mut window = Window::endless()?;
    if !reconnects {
        (0..connections).try_for_each(|index| clients.connect(index))?;
        while clients.connected < connections {
            world.turn(&mut clients, &mut window)?;
        }
    }
    clients.start()?;
    while window.units() < units {
        world.turn(&mut clients, &mut window)?;
    }
    Ok(())
}

impl World {
    /// One turn of each. Time passes when nothing is left to do.
    fn turn(&mut self, clients: &mut Generator<'_>, window: &mut Window) -> Result<()> {
        let trace = self.network.trace();
        let mut is_busy = server_turn(&mut self.server);
        is_busy |= clients.turn(Wait::Poll, window)?;
        self.quiet = if is_busy || self.network.trace() != trace { 0 } else { self.quiet + 1 };
        if self.quiet == 2 {
            _ = match clients.next_due() {
                Some(due) => self.network.advance_to(due),
                None => self.network.advance(),
            };
            self.quiet = 0;
        }
        Ok(())
    }
}

fn asked() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names = || WORKLOADS.map(|(name, _)| name).join(", ");
    let [workload, units, more @ ..] = &arguments[..] else {
        bail!("usage: instructions WORKLOAD UNITS [IDLE [TIMEOUT]]\nworkloads: {}, or a case", names());
    };
    let number = |text: &String| text.parse::<u64>().map_err(|_| anyhow!("{text}: not a number"));
    let end = ENDS.iter().find(|(name, _)| name == workload).map(|(_, end)| *end);
    let workload = if end.is_some() { WORKLOADS[0].0 } else { workload.as_str() };
    let case = WORKLOADS.iter().find(|(name, _)| *name == workload).map_or(workload, |(_, case)| case);
    let case = case.parse().with_context(|| format!("{workload}: no such workload"))?;
    let (idle, timeout) = (more.first().map(number).transpose()?, more.get(1).map(number).transpose()?);
    let idle = usize::try_from(idle.unwrap_or(0)).context("idle sessions")?;
    let timeout = if end == Some(End::Timeout) { Some(timeout.unwrap_or(60)) } else { timeout };
    run(&case, end, number(units)?, idle, timeout.map(Duration::from_secs))
}

fn main() -> ExitCode {
    match asked() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
