//! The connections of a test's clients: one driver, which is another host on the simulated network.

use std::collections::VecDeque;

use overlapped::driver::{CloseMode, Completion, SocketId, Wait};
use overlapped::options::DatagramOptions;
use overlapped::{Address, Driver, DriverConfig, ErrorKind, Op, Outcome, sim::Network};

use crate::codec::{Assembly, Codec, Framing};

const CONNECT: u64 = 0;
const RECEIVE: u64 = 1;
const OTHER: u64 = 2;
const DATAGRAM: u64 = 3;

const RECEIVE_BYTES: usize = 16 * 1024;

/// How a connection ended, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server has ended its stream cleanly.
    Closed,
    Reset,
    /// The connect failed.
    Refused(String),
    /// The client's codec found no packet in what came.
    Broken(String),
    /// The client closed or reset it.
    Own,
}

pub(super) struct Connection {
    socket: SocketId,
    codec: Framing,
    assembly: Assembly,
    pub(super) is_connected: bool,
    /// It takes nothing from the server.
    is_paused: bool,
    is_receiving: bool,
    /// Packets that have come and were not expected yet.
    pub(super) packets: VecDeque<Vec<u8>>,
    pub(super) end: Option<End>,
}

impl Connection {
    /// Bytes of a packet that has not come whole.
    pub(super) fn partial_bytes(&self) -> usize {
        self.assembly.len()
    }

    fn received(&mut self, mut bytes: &[u8]) {
        loop {
            match self.assembly.next(&mut self.codec, &mut bytes) {
                Ok(Some(packet)) => self.packets.push_back(packet.to_vec()),
                Ok(None) => return,
                Err(error) => return self.end = Some(End::Broken(error.to_string())),
            }
        }
    }

    fn ended(&mut self) {
        let end = loop {
            match self.assembly.end(&mut self.codec) {
                Ok(Some(packet)) => self.packets.push_back(packet.to_vec()),
                Ok(None) => break End::Closed,
                Err(error) => break End::Broken(error.to_string()),
            }
        };
        self.end.get_or_insert(end);
    }
}

pub(super) struct Clients {
    driver: Driver,
    connections: Vec<Connection>,
    ports: Vec<Port>,
}

/// A client that sends datagrams.
struct Port {
    socket: SocketId,
    came: VecDeque<Vec<u8>>,
}

impl Clients {
    pub(super) fn new(network: &Network) -> Clients {
        let driver = Driver::new(DriverConfig::new().network(network.clone()));
        Clients {
            driver: driver.expect("a driver on a simulated network needs nothing"),
            connections: Vec::new(),
            ports: Vec::new(),
        }
    }

    /// A client that sends datagrams from an address of its own.
    pub(super) fn bind(&mut self, own: &Address) -> Result<usize, overlapped::Error> {
        let socket = self.driver.datagram(own, &DatagramOptions::new())?;
        let index = self.ports.len();
        self.ports.push(Port { socket, came: VecDeque::new() });
        self.submit(index, DATAGRAM, Op::recv_from_multi(socket));
        Ok(index)
    }

    pub(super) fn send_datagram(&mut self, index: usize, bytes: &[u8], to: &Address) {
        self.submit(index, OTHER, Op::send_to(self.ports[index].socket, bytes.to_vec(), to));
    }

    pub(super) fn take_datagram(&mut self, index: usize) -> Option<Vec<u8>> {
        self.ports[index].came.pop_front()
    }

    pub(super) fn datagram_addr(&self, index: usize) -> Address {
        self.driver.local_addr(self.ports[index].socket).expect("it is bound")
    }

    pub(super) fn at(&mut self, index: usize) -> &mut Connection {
        &mut self.connections[index]
    }

    /// Begins a connection.
    pub(super) fn connect(&mut self, address: &Address, codec: Framing) -> Result<usize, overlapped::Error> {
        let socket = self.driver.socket(address)?;
        let index = self.connections.len();
        self.connections.push(Connection {
            socket,
            codec,
            assembly: Assembly::new(),
            is_connected: false,
            is_paused: false,
            is_receiving: false,
            packets: VecDeque::new(),
            end: None,
        });
        self.submit(index, CONNECT, Op::connect(socket, address));
        Ok(index)
    }

    /// The address that it connected from.
    pub(super) fn local_addr(&self, index: usize) -> Option<Address> {
        self.driver.local_addr(self.connections[index].socket).ok()
    }

    /// Sends the frame of a packet.
    pub(super) fn send(&mut self, index: usize, packet: &[u8]) -> Result<(), String> {
        let mut frame = Vec::new();
        let connection = &mut self.connections[index];
        connection.codec.encode(packet, &mut frame).map_err(|error| error.to_string())?;
        self.send_bytes(index, frame);
        Ok(())
    }

    pub(super) fn send_bytes(&mut self, index: usize, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.submit(index, OTHER, Op::send(self.connections[index].socket, bytes));
        }
    }

    pub(super) fn shut_down(&mut self, index: usize) {
        let socket = self.connections[index].socket;
        self.submit(index, OTHER, Op::shutdown(socket, overlapped::driver::ShutdownHow::Send));
    }

    pub(super) fn close(&mut self, index: usize, mode: CloseMode) {
        let connection = &mut self.connections[index];
        connection.end.get_or_insert(End::Own);
        let close = Op::close(connection.socket, mode);
        self.submit(index, OTHER, close);
    }

    /// Whether it takes what the server sends.
    pub(super) fn pause(&mut self, index: usize, is_paused: bool) {
        self.connections[index].is_paused = is_paused;
        self.receive(index);
    }

    /// An operation that cannot be started says so by its completion or, on a connection that is
    /// closed, is in vain.
    fn submit(&mut self, index: usize, kind: u64, op: Op) {
        let _ = self.driver.submit(op, (index as u64) << 8 | kind);
    }

    fn receive(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if connection.is_connected && !connection.is_paused && !connection.is_receiving && connection.end.is_none() {
            connection.is_receiving = true;
            let receive = Op::recv(connection.socket, vec![0u8; RECEIVE_BYTES]);
            self.submit(index, RECEIVE, receive);
        }
    }

    pub(super) fn turn(&mut self) {
        self.driver.turn(Wait::Poll).expect("a turn that does not wait does not fail on a simulated network");
        while let Some(completion) = self.driver.next() {
            self.completed(completion);
        }
    }

    fn completed(&mut self, Completion { token, result, buf, .. }: Completion) {
        let (index, kind) = ((token >> 8) as usize, token & 0xff);
        if kind == DATAGRAM {
            if let Ok(Outcome::Datagram(packet, _)) = result {
                self.ports[index].came.push_back(packet.to_vec());
            }
            return;
        }
        if kind == OTHER {
            return;
        }
        let connection = &mut self.connections[index];
        match (kind, result) {
            (CONNECT, Ok(_)) => connection.is_connected = true,
            (CONNECT, Err(error)) => {
                connection.end.get_or_insert(End::Refused(error.to_string()));
            }
            (RECEIVE, Ok(Outcome::Received(0))) => connection.ended(),
            (RECEIVE, Ok(Outcome::Received(bytes))) => {
                connection.is_receiving = false;
                if let Some(buf) = buf.and_then(|buf| buf.take::<Vec<u8>>().ok()) {
                    connection.received(&buf[..bytes]);
                }
            }
            (RECEIVE, Err(error)) => {
                let end = if error.kind() == ErrorKind::Reset { End::Reset } else { End::Broken(error.to_string()) };
                connection.end.get_or_insert(end);
            }
            _ => {}
        }
        self.receive(index);
    }
}
