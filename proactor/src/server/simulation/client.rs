//! A client of a simulated server, in the hands of a test.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use overlapped::driver::CloseMode;
use overlapped::sim::Link;
use overlapped::{Address, Time};

use super::clients::{Connection, End};
use super::world::World;
use crate::codec::Framing;

/// A client of a simulated server, for tests: [`Simulation::client`](crate::Simulation::client)
/// makes it. It sends packets and says what it expects; what it expects is waited for on the
/// simulated clock, so a test has no thread and no sleep, and takes as long as it computes.
///
/// While one client waits, the server and all other clients go on. What a client sends takes a
/// [latency](overlapped::sim::NetworkConfig::latency) of its own to arrive: what two clients send
/// without waiting in between arrives in an order drawn from the seed.
///
/// All clients have the same IP address, with a port each. So
/// [`sessions_per_ip`](crate::Limits::sessions_per_ip) counts them together.
///
/// Each `expect` waits for at most the [patience](crate::Simulation::set_patience), 10 seconds of
/// simulated time.
///
/// # Panics
/// Each method that expects something panics if it does not come, and says what was expected, what
/// came instead, when, and with which seed.
pub struct SimClient {
    world: Rc<World>,
    index: usize,
    server: Address,
}

impl SimClient {
    #[track_caller]
    pub(super) fn connect(world: &Rc<World>, server: Address, codec: Framing) -> SimClient {
        let stats = |world: &World| {
            let stats = world.handle.stats();
            stats.accepted + stats.refused_in_all()
        };
        let seen = stats(world);
        let index = match world.clients().connect(&server, codec) {
            Ok(index) => index,
            Err(error) => world.fail(&format!("a client could not connect to {server}: {error}")),
        };
        let client = SimClient { world: Rc::clone(world), index, server };
        let is_there = |world: &World| {
            let has_ended = world.clients().at(index).end.is_some();
            let is_connected = world.clients().at(index).is_connected;
            has_ended || is_connected && stats(world) > seen
        };
        if !client.run(is_there) {
            client.fail("to be accepted by the server");
        }
        client
    }

    /// Sends a packet: the frame that the client's codec makes of it. It is on its way when this
    /// returns, and arrives while something is waited for.
    ///
    /// # Panics
    /// The codec has no frame for the packet.
    #[track_caller]
    pub fn send(&self, packet: impl AsRef<[u8]>) {
        let packet = packet.as_ref();
        let sent = self.world.clients().send(self.index, packet);
        if let Err(error) = sent {
            self.world.fail(&format!("{self:?} could not send {}: {error}", Shown(packet)));
        }
    }

    /// Sends bytes as they are: part of a frame, or an invalid one.
    pub fn send_bytes(&self, bytes: impl AsRef<[u8]>) {
        self.world.clients().send_bytes(self.index, bytes.as_ref().to_vec());
    }

    /// Waits for the next packet, which must be this one.
    #[track_caller]
    pub fn expect(&self, packet: impl AsRef<[u8]>) {
        let packet = packet.as_ref();
        let expected = || format!("the packet {}", Shown(packet));
        match self.wait_for_packet() {
            Some(came) if came == packet => {}
            Some(came) => self.fail_instead(&expected(), &format!("{} came", Shown(&came))),
            None => self.fail(&expected()),
        }
    }

    /// Waits for the next packet, whatever it is.
    #[track_caller]
    pub fn next_packet(&self) -> Vec<u8> {
        match self.wait_for_packet() {
            Some(packet) => packet,
            None => self.fail("a packet"),
        }
    }

    /// Lets this much time pass, in which no packet and no end may come.
    #[track_caller]
    pub fn expect_nothing(&self, time: Duration) {
        let until = self.world.network.now() + time;
        if self.run_until(until, |world| world.clients().at(self.index).has_something()) {
            self.fail(&format!("nothing to come for {time:?}"));
        }
    }

    /// Waits until the server has ended its stream cleanly, then closes the client's end too. No
    /// packet may come before.
    #[track_caller]
    pub fn expect_closed(&self) {
        self.wait_for_end("the connection to be closed cleanly", |end| matches!(end, End::Closed));
        self.close();
    }

    /// Waits until the server has ended its stream cleanly, and keeps the client's: it can still
    /// send. No packet may come before.
    #[track_caller]
    pub fn expect_end(&self) {
        self.wait_for_end("the end of the server's stream", |end| matches!(end, End::Closed));
    }

    /// Waits until the connection is reset. No packet may come before.
    #[track_caller]
    pub fn expect_reset(&self) {
        self.wait_for_end("the connection to be reset", |end| matches!(end, End::Reset));
    }

    /// Expects that connecting has failed: nobody listened.
    #[track_caller]
    pub fn expect_refused(&self) {
        self.wait_for_end("the connection to be refused", |end| matches!(end, End::Refused(_)));
    }

    /// Ends the client's stream: the server sees its end, and can still send.
    pub fn shutdown(&self) {
        self.world.clients().shut_down(self.index);
    }

    /// Closes the connection gracefully, when what was sent has left.
    pub fn close(&self) {
        self.world.clients().close(self.index, CloseMode::Graceful { linger: Duration::from_secs(60) });
    }

    /// Closes the connection at once, by a reset, as a client that crashes.
    pub fn reset(&self) {
        self.world.clients().close(self.index, CloseMode::Abort);
    }

    /// Takes nothing more of what the server sends, until [`resume`](SimClient::resume): a slow
    /// consumer. Up to 16 KiB are still taken.
    pub fn pause(&self) {
        self.world.clients().pause(self.index, true);
    }

    /// Takes again what the server sends.
    pub fn resume(&self) {
        self.world.clients().pause(self.index, false);
    }

    /// The network between this client and the server, to disturb it: delay, split, stall, heal,
    /// reset.
    ///
    /// # Panics
    /// There is no connection: it was refused, or has ended on both sides.
    #[track_caller]
    pub fn link(&self) -> Link {
        let local = self.world.clients().local_addr(self.index);
        let link = local.and_then(|local| self.world.network.link(&local));
        match link {
            Some(link) => link,
            None => self.world.fail(&format!("{self:?} has no connection to disturb")),
        }
    }

    /// Runs until the condition holds. `false` if it has not after the patience.
    #[track_caller]
    fn run(&self, done: impl FnMut(&World) -> bool) -> bool {
        let until = self.world.network.now() + *self.world.patience.borrow();
        self.run_until(until, done)
    }

    #[track_caller]
    fn run_until(&self, until: Time, done: impl FnMut(&World) -> bool) -> bool {
        match self.world.run_until(until, done) {
            Ok(done) => done,
            Err(error) => self.world.fail(&format!("the server has failed: {error}")),
        }
    }

    #[track_caller]
    fn wait_for_packet(&self) -> Option<Vec<u8>> {
        self.run(|world| world.clients().at(self.index).has_something());
        self.world.clients().at(self.index).packets.pop_front()
    }

    #[track_caller]
    fn wait_for_end(&self, expected: &str, is_expected: impl Fn(&End) -> bool) {
        self.run(|world| world.clients().at(self.index).has_something());
        let is_met = {
            let mut clients = self.world.clients();
            let connection = clients.at(self.index);
            connection.packets.is_empty() && connection.end.as_ref().is_some_and(is_expected)
        };
        if !is_met {
            self.fail(expected);
        }
    }

    /// Fails with what has come until now.
    #[track_caller]
    fn fail(&self, expected: &str) -> ! {
        let came = self.world.clients().at(self.index).told(*self.world.patience.borrow());
        self.fail_instead(expected, &came)
    }

    #[track_caller]
    fn fail_instead(&self, expected: &str, came: &str) -> ! {
        self.world.fail(&format!("{self:?} expected {expected}, but {came}"))
    }
}

impl fmt::Debug for SimClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} of {}", self.index, self.server)
    }
}

impl Connection {
    fn has_something(&self) -> bool {
        !self.packets.is_empty() || self.end.is_some()
    }

    /// What has come, in words.
    fn told(&self, patience: Duration) -> String {
        const MOST_SHOWN: usize = 5;
        let mut said = Vec::new();
        let shown: Vec<String> = self.packets.iter().take(MOST_SHOWN).map(|packet| Shown(packet).to_string()).collect();
        if !shown.is_empty() {
            let more = self.packets.len() - shown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            said.push(format!("{}{more} came", shown.join(", ")));
        }
        match &self.end {
            Some(End::Closed) => said.push("the server closed the connection".into()),
            Some(End::Reset) => said.push("the connection was reset".into()),
            Some(End::Refused(why)) => said.push(format!("connecting failed: {why}")),
            Some(End::Broken(why)) => said.push(format!("what came is no packet: {why}")),
            Some(End::Own) => said.push("the client itself has closed the connection".into()),
            None if self.partial_bytes() > 0 => {
                said.push(format!("only {} bytes of an unfinished packet came in {patience:?}", self.partial_bytes()));
            }
            None if said.is_empty() => said.push(format!("nothing came in {patience:?}")),
            None => {}
        }
        said.join(", then ")
    }
}

/// The bytes of a packet as a reader can take them in.
pub(super) struct Shown<'p>(pub(super) &'p [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 100;
        let shown = &self.0[..self.0.len().min(MOST)];
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() { write!(f, "... ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}
