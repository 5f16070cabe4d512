//! `instructions WORKLOAD UNITS` runs a server on the simulated network with clients beside it.
//! Under `callgrind --toggle-collect=*server_turn*` only the server's turns are counted.

mod server;

use std::process::ExitCode;

use overlapped::driver::{CloseMode, Completion, SocketId, Wait};
use overlapped::{Op, Outcome};
use server::{Service, World};

const MESSAGE: usize = 64;
const BURST: usize = 100;
const MEMBERS: usize = 500;
/// Nanoseconds between two messages of the open loop.
const INTERVAL: u64 = 20_000;

const CONNECT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;
const CLOSE: u64 = 3;
const DUE: u64 = 4;

/// Everything that the server does. Callgrind counts inside this function only.
#[inline(never)]
fn server_turn(server: &mut proactor::Simulation<Service>) -> bool {
    server.turn().expect("a simulated server does not fail")
}

struct Client {
    socket: SocketId,
    /// Bytes of the answer that have not arrived.
    missing: usize,
}

struct Load {
    world: World,
    clients: Vec<Client>,
    /// What a client sends at once.
    message: Vec<u8>,
    answer: usize,
}

impl Load {
    fn new(world: World, message: Vec<u8>) -> Load {
        let answer = message.len();
        Load { world, clients: Vec::new(), message, answer }
    }

    fn connect(&mut self) {
        let address = self.world.server.local_addrs()[0].clone();
        let driver = &mut self.world.clients;
        let socket = driver.socket(&address).expect("a socket");
        let index = self.clients.len() as u64;
        driver.submit(Op::connect(socket, &address), index << 8 | CONNECT).expect("room");
        self.clients.push(Client { socket, missing: 0 });
    }

    fn receive(&mut self, client: usize, buffer: Vec<u8>) {
        let op = Op::recv(self.clients[client].socket, buffer);
        self.world.clients.submit(op, (client as u64) << 8 | RECEIVE).expect("room");
    }

    fn send(&mut self, client: usize, times: usize) {
        let bytes = self.message.repeat(times);
        self.clients[client].missing += self.answer * times;
        let op = Op::send(self.clients[client].socket, bytes);
        self.world.clients.submit(op, (client as u64) << 8 | SEND).expect("room");
    }

    /// Turns server and clients until `each`, which gets every completion of a client, returns
    /// `true`.
    fn run(&mut self, mut each: impl FnMut(&mut Load, usize, Event) -> bool) {
        let mut quiet = 0;
        loop {
            let trace = self.world.network.trace();
            let mut busy = server_turn(&mut self.world.server);
            self.world.clients.turn(Wait::Poll).expect("a simulated network does not fail");
            while let Some(completion) = self.world.clients.next() {
                busy = true;
                let (client, event) = Event::of(completion);
                if each(self, client, event) {
                    return;
                }
            }
            quiet = if busy || self.world.network.trace() != trace { 0 } else { quiet + 1 };
            if quiet == 2 {
                self.world.network.advance();
                quiet = 0;
            }
        }
    }

    /// Connects so many clients, whose receives are then pending.
    fn connect_all(&mut self, clients: usize) {
        for _ in 0..clients {
            self.connect();
        }
        let mut left = clients;
        self.run(|load, client, event| {
            if let Event::Connected = event {
                load.receive(client, vec![0; 16 * 1024]);
                left -= 1;
            }
            left == 0
        });
    }
}

enum Event {
    Connected,
    Received(usize, Vec<u8>),
    Sent,
    Closed,
    Due,
}

impl Event {
    fn of(completion: Completion) -> (usize, Event) {
        let client = (completion.token >> 8) as usize;
        let outcome = completion.result.expect("no client fails");
        let event = match (completion.token & 0xff, outcome) {
            (RECEIVE, Outcome::Received(bytes)) => {
                let buffer = completion.buf.and_then(|buf| buf.take::<Vec<u8>>().ok());
                Event::Received(bytes, buffer.expect("a receive gives its buffer back"))
            }
            (CONNECT, _) => Event::Connected,
            (SEND, _) => Event::Sent,
            (CLOSE, _) => Event::Closed,
            _ => Event::Due,
        };
        (client, event)
    }
}

fn packet() -> Vec<u8> {
    [&(MESSAGE as u32).to_be_bytes()[..], &[7; MESSAGE]].concat()
}

/// Every client sends `times` messages, and again when all are answered.
fn closed_loop(world: World, message: Vec<u8>, clients: usize, times: usize, units: usize) {
    let mut load = Load::new(world, message);
    load.connect_all(clients);
    for client in 0..clients {
        load.send(client, times);
    }
    let mut done = 0;
    load.run(|load, client, event| {
        if let Event::Received(bytes, buffer) = event {
            load.receive(client, buffer);
            load.clients[client].missing -= bytes;
            if load.clients[client].missing == 0 {
                done += times;
                load.send(client, times);
            }
        }
        done >= units
    });
}

/// One member sends; the others receive. A unit is a packet at one member.
fn fanout(outstanding: usize, units: usize) {
    let mut load = Load::new(World::new(true, true), packet());
    load.connect_all(MEMBERS);
    let length = load.message.len();
    let (mut at_members, mut sent) = (0, 0);
    load.send(0, outstanding);
    sent += outstanding;
    load.run(|load, client, event| {
        if let Event::Received(bytes, buffer) = event {
            load.receive(client, buffer);
            at_members += bytes;
            let complete = at_members / (length * (MEMBERS - 1));
            // The next packets leave when the earlier ones are at all members.
            while sent < complete + outstanding {
                load.send(0, 1);
                sent += 1;
            }
        }
        at_members / length >= units
    });
}

/// Every client connects, sends a message, receives its echo, and resets. A unit is a connection.
fn churn(units: usize) {
    let mut load = Load::new(World::new(false, false), vec![7; MESSAGE]);
    for _ in 0..64 {
        load.connect();
    }
    let mut done = 0;
    load.run(|load, client, event| {
        match event {
            Event::Connected => {
                load.receive(client, vec![0; 1024]);
                load.send(client, 1);
            }
            Event::Received(bytes, buffer) => {
                load.clients[client].missing -= bytes;
                match load.clients[client].missing {
                    0 => {
                        let op = Op::close(load.clients[client].socket, CloseMode::Abort);
                        load.world.clients.submit(op, (client as u64) << 8 | CLOSE).expect("room");
                    }
                    _ => load.receive(client, buffer),
                }
            }
            Event::Closed => {
                done += 1;
                load.connect();
            }
            Event::Sent | Event::Due => {}
        }
        done >= units
    });
}

/// Messages leave at a fixed rate, whatever the server does. A unit is a message.
fn open_loop(clients: usize, units: usize) {
    let mut load = Load::new(World::new(false, false), vec![7; MESSAGE]);
    load.connect_all(clients);
    let mut due = load.world.network.now();
    let (mut next, mut arrived) = (0, 0);
    let timer = |load: &mut Load, due| {
        load.world.clients.submit(Op::timer(due), DUE).map(drop).expect("room");
    };
    timer(&mut load, due);
    load.run(|load, client, event| {
        match event {
            Event::Due => {
                load.send(next % clients, 1);
                next += 1;
                due = due + std::time::Duration::from_nanos(INTERVAL);
                timer(load, due);
            }
            Event::Received(bytes, buffer) => {
                load.receive(client, buffer);
                arrived += bytes;
            }
            _ => {}
        }
        arrived / MESSAGE >= units
    });
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workload, units] = &arguments[..] else {
        eprintln!(
            "usage: instructions WORKLOAD UNITS\n\
             workloads: pingpong64, pingpong512, pipelined, fanout16, fanout1, churn, openloop"
        );
        return ExitCode::FAILURE;
    };
    let Ok(units) = units.parse() else {
        eprintln!("{units}: not a number of units");
        return ExitCode::FAILURE;
    };
    let message = || vec![7; MESSAGE];
    match workload.as_str() {
        "pingpong64" => closed_loop(World::new(false, false), message(), 64, 1, units),
        "pingpong512" => closed_loop(World::new(false, false), message(), 512, 1, units),
        "pipelined" => closed_loop(World::new(true, false), packet(), 16, BURST, units),
        "fanout16" => fanout(16, units),
        "fanout1" => fanout(1, units),
        "churn" => churn(units),
        "openloop" => open_loop(64, units),
        other => {
            eprintln!("{other}: no such workload");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
