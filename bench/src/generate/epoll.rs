//! Drives conversations over a level-triggered epoll: no time-outs, no re-registration, two system calls a message.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::conversation::Conversation;
use super::window::Window;
use super::{Measurement, STALLED};

/// Events taken in one wait: few enough that the clock is looked at often.
const BATCH: usize = 256;

pub(crate) fn run(
    sockets: Vec<TcpStream>,
    conversations: Vec<Conversation>,
    mut window: Window,
) -> Result<Measurement> {
    let queue = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (number, socket) in sockets.iter().enumerate() {
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&queue, socket, data, epoll::EventFlags::IN)?;
    }
    let mut peers: Vec<Peer> = sockets
        .into_iter()
        .zip(conversations)
        .map(|(socket, conversation)| Peer { socket, conversation, blocked: false })
        .collect();

    window.start();
    let mut outstanding = peers.len();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.conversation.begun = Instant::now();
        peer.send(&queue, number as u64)?;
    }

    let stalled = Timespec::try_from(STALLED).context("time-out out of range")?;
    let mut buffer = vec![0; 64 * 1024];
    let mut events = Vec::with_capacity(BATCH);
    while outstanding > 0 {
        events.clear();
        match epoll::wait(&queue, spare_capacity(&mut events), Some(&stalled)) {
            Ok(0) => {
                let waiting = peers.iter().find(|peer| !peer.conversation.is_complete());
                let waiting = waiting.map(|peer| peer.conversation.describe());
                bail!("no echo for {STALLED:?}, {outstanding} outstanding, among them {}", waiting.unwrap_or_default());
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait"),
        }
        for event in &events {
            let number = event.data.u64();
            let peer = &mut peers[number as usize];
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::OUT) {
                peer.send(&queue, number)?;
            }
            if flags == epoll::EventFlags::OUT || !peer.receive(&mut buffer)? {
                continue;
            }
            let now = Instant::now();
            window.completed(now - peer.conversation.begun);
            if window.is_over() {
                outstanding -= 1;
            } else {
                peer.conversation.next(now);
                peer.send(&queue, number)?;
            }
        }
        window.advance()?;
    }
    window.into_measurement().context("the connections ended before the window did")
}

struct Peer {
    socket: TcpStream,
    conversation: Conversation,
    /// Waits for room in the socket's buffer.
    blocked: bool,
}

impl Peer {
    fn send(&mut self, queue: impl std::os::fd::AsFd, number: u64) -> Result<()> {
        let mut full = false;
        while !full && !self.conversation.unsent().is_empty() {
            match (&self.socket).write(self.conversation.unsent()) {
                Ok(count) => self.conversation.sent(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => full = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context(self.conversation.describe()),
            }
        }
        if full != self.blocked {
            self.blocked = full;
            let mut flags = epoll::EventFlags::IN;
            flags.set(epoll::EventFlags::OUT, full);
            let data = epoll::EventData::new_u64(number);
            epoll::modify(queue, &self.socket, data, flags)?;
        }
        Ok(())
    }

    /// Receives once. Whether the echo is complete now.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<bool> {
        match (&self.socket).read(buffer) {
            Ok(0) => Err(io::Error::from(ErrorKind::UnexpectedEof))
                .with_context(|| format!("server closed: {}", self.conversation.describe())),
            Ok(count) => {
                self.conversation.received(&buffer[..count])?;
                Ok(self.conversation.is_complete())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(error).with_context(|| self.conversation.describe()),
        }
    }
}
