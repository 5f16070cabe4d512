//! The datagram sockets of a shard: how they are made, what comes by them, and when they end.

use std::time::Duration;

use overlapped::buf::Packet;
use overlapped::driver::{CloseMode, Completion, SocketId};
use overlapped::{Address, Error, ErrorKind, Op, Outcome};

use super::Shard;
use super::beginning::Arrival;
use super::binding::{PortSocket, Socket};
use super::directory::Phase;
use super::state::token;
use crate::connect::Origin;
use crate::datagrams::drops::DatagramDrop;
use crate::datagrams::peers::comparable;
use crate::datagrams::ports::{Came, Newcomer, Ports};
use crate::handler::Handler;
use crate::limits::Refusal;
use crate::session::{close, datagram, reason::CloseReason, send};

/// How long a socket whose receive has failed is left alone.
const PAUSE: Duration = Duration::from_millis(10);

impl<H: Handler> Shard<H> {
    /// Takes its datagram sockets, and begins to receive.
    pub(crate) fn take_ports(&mut self, sockets: Vec<PortSocket>, secret: [u64; 2]) {
        if sockets.is_empty() {
            return;
        }
        let count = {
            let state = &mut *self.logic.state();
            let mut ports = Box::new(Ports::new(secret, state.meter.clone()));
            for PortSocket { listener, settings, socket } in sockets {
                let socket = match socket {
                    Socket::Own(socket) => socket,
                    Socket::Given(stream) => match state.driver.adopt(stream) {
                        Ok(socket) => socket,
                        Err(refused) => {
                            tracing::error!("{}; shard {} receives no datagrams there", refused.error, self.shard);
                            continue;
                        }
                    },
                };
                let address = state.driver.local_addr(socket).unwrap_or(Address::Unnamed);
                ports.add(socket, listener, address, settings);
            }
            let count = ports.ports.len();
            state.datagrams = Some(ports);
            count
        };
        self.has_ports = true;
        (0..count).for_each(|port| self.receive_datagrams(port as u32));
    }

    fn receive_datagrams(&mut self, port: u32) {
        let state = &mut *self.logic.state();
        let Some(socket) = state.datagrams.as_ref().and_then(|ports| ports.ports.get(port as usize)) else { return };
        let op = Op::recv_from_multi(socket.socket);
        state.submit(op, token::of(token::DATAGRAM, port));
    }

    /// An operation of a datagram socket has completed, or has brought something.
    #[cold]
    #[inline(never)]
    pub(super) fn port_completed(&mut self, kind: u64, port: u32, completion: Completion) {
        match kind {
            token::DATAGRAM => self.datagram_completed(port, completion.result, completion.more),
            token::DATAGRAM_SEND => self.datagram_sent(port, &completion.result),
            _ => {}
        }
    }

    /// The receive of a datagram socket has completed, or has brought something.
    fn datagram_completed(&mut self, port: u32, result: Result<Outcome, Error>, more: bool) {
        match result {
            Ok(Outcome::Datagram(packet, from)) => self.datagram_came(port, &packet, &from),
            Ok(_) => {}
            Err(error) => {
                let state = &mut *self.logic.state();
                let Some(ports) = &mut state.datagrams else { return };
                if error.kind() == ErrorKind::Truncated {
                    ports.counts.came();
                    ports.counts.dropped(DatagramDrop::Oversized);
                } else if !more && error.kind() != ErrorKind::Cancelled {
                    // Errors that a peer or a router has caused are no reason to end, and none that
                    // lasts keeps the shard busy.
                    tracing::debug!("{error}; the datagram listener goes on");
                    let again_at = state.timers.now() + PAUSE;
                    if let Some(port) = ports.ports.get_mut(port as usize) {
                        port.again_at = Some(again_at);
                    }
                }
            }
        }
    }

    fn datagram_came(&mut self, port: u32, packet: &Packet, from: &Address) {
        let Some(from) = from.ip().map(comparable) else { return };
        let came = {
            let state = &mut *self.logic.state();
            let now = state.timers.now();
            let Some(ports) = &mut state.datagrams else { return };
            ports.came((port, from), packet, now)
        };
        let newcomer = match came {
            Came::Done => return,
            Came::For(slot) => return datagram::received(&mut self.logic, &self.tasks, slot, packet),
            Came::New(newcomer) => newcomer,
            Came::Instead(slot, newcomer) => {
                close::begin(&mut self.logic.state(), slot, CloseReason::Replaced);
                newcomer
            }
        };
        self.begin_datagrams(newcomer, packet);
    }

    /// A peer is to have a session. `packet` is what it has sent.
    fn begin_datagrams(&mut self, newcomer: Newcomer, packet: &[u8]) {
        let (origin @ (port, from), nonce) = (newcomer.origin, newcomer.nonce);
        let (listener, now) = {
            let state = self.logic.state();
            let port = state.datagrams.as_ref().and_then(|ports| ports.ports.get(port as usize));
            let Some(listener) = port.map(|port| port.listener) else { return };
            (listener, state.timers.now())
        };
        // A refused one is not in the shard's load.
        if self.phase != Phase::Running {
            return self.directory.count_refused(self.shard, listener, Refusal::Ending);
        }
        let permit = match self.directory.admission.admit_at(listener, Some(from.ip()), now) {
            Ok(permit) => permit,
            Err(refusal) => {
                tracing::debug!("{from} is refused: {refusal}");
                return self.directory.count_refused(self.shard, listener, refusal);
            }
        };
        self.directory.count_in(self.shard);
        self.directory.stats().accepted += 1;
        let id = self.begin_session(Arrival {
            socket: SocketId::NONE,
            peer: from.into(),
            permit,
            origin: Origin::Accepted,
            header: None,
            transport: None,
            newcomer: Some(newcomer),
        });
        match nonce {
            None => datagram::received(&mut self.logic, &self.tasks, id.slot(), packet),
            Some(nonce) => {
                if let Some(ports) = &mut self.logic.state().datagrams {
                    ports.answer_open(origin, nonce);
                }
            }
        }
    }

    /// Does what is due of the datagram sockets. Says whether there was anything.
    #[inline(never)]
    pub(super) fn expire_datagrams(&mut self) -> bool {
        let mut any = false;
        let mut due = Vec::new();
        {
            let state = &mut *self.logic.state();
            let (now, fair_now) = (state.timers.now(), state.timers.fair_now());
            let Some(ports) = &mut state.datagrams else { return false };
            for (index, port) in ports.ports.iter_mut().enumerate() {
                if port.again_at.take_if(|at| *at <= now).is_some() {
                    due.push(index as u32);
                }
            }
            let Ports { ports, peers, .. } = &mut **ports;
            let mut silent = Vec::new();
            while let Some(slot) = peers.pop_silent(fair_now, |port| ports[port as usize].settings.idle) {
                silent.push(slot);
            }
            any |= !silent.is_empty();
            for slot in silent {
                close::begin(state, slot, CloseReason::Idle);
            }
        }
        any |= !due.is_empty();
        if self.phase == Phase::Running || self.has_datagram_sessions() {
            due.into_iter().for_each(|port| self.receive_datagrams(port));
        }
        any
    }

    fn has_datagram_sessions(&self) -> bool {
        self.logic.state().datagrams.as_ref().is_some_and(|ports| !ports.is_over())
    }

    /// The end of a turn: sends the datagrams that wait, ends the sessions that have nothing more
    /// to wait for, and closes the sockets of a server that ends. Says whether there was anything.
    #[inline(never)]
    pub(super) fn finish_datagrams(&mut self) -> bool {
        let mut closed = Vec::new();
        let busy = {
            let state = &mut *self.logic.state();
            let Some(ports) = &mut state.datagrams else { return false };
            let busy = ports.has_to_go_on();
            ports.send(&mut state.driver, |driver, op, port| {
                driver.submit(op, token::of(token::DATAGRAM_SEND, port)).is_ok()
            });
            while let Some(id) = state.datagrams.as_mut().and_then(|ports| ports.pop_done()) {
                if state.sessions.get_mut(id).is_some() {
                    // Datagrams do not fail.
                    let _ = send::completed(state, id.slot(), None, None);
                    state.drain.look_again();
                }
            }
            let Some(ports) = &mut state.datagrams else { return false };
            for id in ports.take_closing() {
                if !ports.keep_closing(id) {
                    closed.push(id);
                }
            }
            if let Some(counts) = ports.counts.take() {
                self.directory.stats().count_datagrams(&counts);
                if let Some(meter) = &state.meter {
                    meter.count_datagrams(&counts);
                }
            }
            busy
        };
        let any = !closed.is_empty();
        for id in closed {
            // Found by its slot: it is not gone before this.
            self.closed(id.slot());
        }
        self.end_ports();
        busy | any
    }

    /// If the server ends and no datagram session of this shard is left, closes its sockets.
    fn end_ports(&mut self) {
        if self.phase == Phase::Running {
            return;
        }
        let state = &mut *self.logic.state();
        let Some(ports) = &mut state.datagrams else { return };
        let sessions_are_over = if self.phase == Phase::Stopping { ports.peers.is_empty() } else { ports.is_over() };
        if !sessions_are_over {
            return;
        }
        for (index, port) in ports.ports.drain(..).enumerate() {
            let close = Op::close(port.socket, CloseMode::Now);
            if let Err(refused) = state.driver.submit(close, token::of(token::DATAGRAM_CLOSE, index as u32)) {
                tracing::warn!("{}", refused.error);
            }
        }
        state.datagrams = None;
    }

    /// A send that waited for room has ended.
    fn datagram_sent(&mut self, port: u32, result: &Result<Outcome, Error>) {
        if let Some(ports) = &mut self.logic.state().datagrams {
            ports.waited(port, result.as_ref().map(|_| ()));
        }
    }
}
