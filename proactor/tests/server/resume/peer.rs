//! A client of a simulated server whose connections are cut.

use std::time::Duration;

use super::websocket_end::WebSocketEnd;
use proactor::codec::Raw;
use proactor::{Handler, ResumeClient, Resumed, SimClient, Simulation};

pub(crate) const AT: &str = "10.0.0.1:7777";

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Reset,
    /// The peer sees the end of the stream.
    Closed,
    /// The peer sees nothing. The next connection is there first.
    Unseen,
}

/// After how many bytes a connection is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) up: usize,
    pub(crate) down: usize,
    pub(crate) how: How,
}

impl Budget {
    pub(crate) const NONE: Budget = Budget { up: usize::MAX, down: usize::MAX, how: How::Reset };
}

/// Takes so many bytes.
pub(crate) fn take(client: &SimClient, count: usize) -> Vec<u8> {
    let mut came = Vec::new();
    while came.len() < count {
        came.extend(client.next_packet());
    }
    assert_eq!(came.len(), count, "{came:?}");
    came
}

pub(crate) struct Peer {
    pub(crate) client: ResumeClient,
    /// Its connections become WebSockets.
    pub(crate) websocket: Option<WebSocketEnd>,
    connection: Option<SimClient>,
    /// Those that nobody has closed.
    unseen: Vec<SimClient>,
    left: Budget,
    /// Bytes of packets that have come, and are not whole.
    came: Vec<u8>,
    pub(crate) connections: usize,
    /// What became of each connection that was answered.
    pub(crate) resumed: Vec<Resumed>,
    /// Bytes that went over all connections.
    pub(crate) sent: usize,
    pub(crate) received: usize,
}

impl Peer {
    pub(crate) fn new() -> Peer {
        Peer {
            client: ResumeClient::new(),
            websocket: None,
            connection: None,
            unseen: Vec::new(),
            left: Budget::NONE,
            came: Vec::new(),
            connections: 0,
            resumed: Vec::new(),
            sent: 0,
            received: 0,
        }
    }

    pub(crate) fn send(&mut self, packet: &[u8]) {
        let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
        self.client.send(&[&len[..], packet].concat());
    }

    /// Ends the connection, if there is one.
    pub(crate) fn cut<H: Handler>(&mut self, sim: &Simulation<H>, how: How) {
        let Some(connection) = self.connection.take() else { return };
        // What was sent before arrives.
        sim.advance(Duration::from_millis(200));
        self.end(connection, how);
        sim.advance(Duration::from_millis(200));
    }

    /// As [`cut`](Peer::cut), and does not wait.
    pub(crate) fn leave(&mut self, how: How) {
        if let Some(connection) = self.connection.take() {
            self.end(connection, how);
        }
    }

    fn end(&mut self, connection: SimClient, how: How) {
        match how {
            How::Reset => connection.reset(),
            How::Closed => connection.close(),
            How::Unseen => self.unseen.push(connection),
        }
    }

    pub(crate) fn connect<H: Handler>(&mut self, sim: &Simulation<H>, budget: Budget) {
        let connection = sim.client(AT, Raw);
        if let Some(websocket) = &mut self.websocket {
            *websocket = WebSocketEnd::default();
        }
        self.client.connected();
        self.connections += 1;
        (self.connection, self.left) = (Some(connection), budget);
    }

    /// Writes what there is to write. Says whether the connection goes on.
    pub(crate) fn write<H: Handler>(&mut self, sim: &Simulation<H>) -> bool {
        let wire = self.client.take_wire();
        let wire = self.websocket.as_mut().map_or(wire.clone(), |websocket| websocket.send(&wire));
        let Some(connection) = &self.connection else { return false };
        let count = wire.len().min(self.left.up);
        if count > 0 {
            connection.send_bytes(&wire[..count]);
        }
        self.left.up -= count;
        self.sent += count;
        if count < wire.len() {
            self.cut(sim, self.left.how);
        }
        count == wire.len()
    }

    /// Reads what comes next. Says whether the connection goes on.
    pub(crate) fn read<H: Handler>(&mut self, sim: &Simulation<H>) -> bool {
        let Some(connection) = &self.connection else { return false };
        let bytes = connection.next_packet();
        let count = bytes.len().min(self.left.down);
        self.left.down -= count;
        self.received += count;
        let records = bytes[..count].to_vec();
        let records = self.websocket.as_mut().map_or(records.clone(), |websocket| websocket.receive(&records));
        self.resumed.extend(self.client.received(&records).unwrap());
        self.came.extend(self.client.take_received());
        if count < bytes.len() {
            self.cut(sim, self.left.how);
        }
        count == bytes.len()
    }

    /// Connects, and waits for the answer.
    pub(crate) fn come_back<H: Handler>(&mut self, sim: &Simulation<H>) -> Resumed {
        self.connect(sim, Budget::NONE);
        let answers = self.resumed.len();
        while self.resumed.len() == answers {
            assert!(self.write(sim) && self.read(sim));
        }
        self.resumed[answers]
    }

    /// The connections that nobody has closed were reset by the server, but for the last.
    pub(crate) fn expect_resets(&self) {
        let (_, older) = self.unseen.split_last().unwrap();
        older.iter().for_each(SimClient::expect_reset);
    }

    /// The next packet, over as many connections as it takes.
    pub(crate) fn next<H: Handler>(&mut self, sim: &Simulation<H>, budget: &mut impl FnMut() -> Budget) -> Vec<u8> {
        loop {
            if let Some((len, rest)) = self.came.split_first_chunk::<2>()
                && let len = usize::from(u16::from_be_bytes(*len))
                && rest.len() >= len
            {
                let packet = rest[..len].to_vec();
                self.came.drain(..2 + len);
                return packet;
            }
            assert!(self.connections < 5_000, "it gets nowhere");
            if self.connection.is_none() {
                self.connect(sim, budget());
            }
            let _ = self.write(sim) && self.read(sim);
        }
    }

    /// As [`next`](Peer::next), over the connection that there is or one that is not cut.
    pub(crate) fn expect<H: Handler>(&mut self, sim: &Simulation<H>, packet: &[u8]) {
        let came = self.next(sim, &mut || Budget::NONE);
        assert_eq!(String::from_utf8_lossy(&came), String::from_utf8_lossy(packet));
    }

    /// Asks, and expects the answer.
    pub(crate) fn ask<H: Handler>(&mut self, sim: &Simulation<H>, packet: &[u8], number: u32) {
        self.send(packet);
        self.expect(sim, &super::logic::answer(number, packet));
    }
}
