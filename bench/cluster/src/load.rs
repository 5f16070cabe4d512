//! The members of the chat, all in one thread: some send, all check what they hear.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::packets::{Message, Reader, frame};

/// Without a message for so long, something is lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who says it until the nodes hear each other.
const GREETING: u32 = u32::MAX;

#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Each of the two nodes has a member that sends, or only the first has.
    pub(crate) senders: usize,
    /// Messages of each sender that not all members have.
    pub(crate) outstanding: u64,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
}

/// What was heard in a window.
pub(crate) struct Heard {
    pub(crate) deliveries: u64,
    pub(crate) time: Duration,
    /// From sending to a member of the other node, in nanoseconds.
    pub(crate) latencies: Vec<f64>,
}

struct State {
    begin: Instant,
    /// What is heard counts.
    is_open: bool,
    deliveries: u64,
    latencies: Vec<f64>,
    /// How many members lack each message, by sender.
    lacking: [BTreeMap<u64, usize>; 2],
    greeted: Vec<bool>,
    failure: Option<anyhow::Error>,
}

/// The members of two nodes, as many on each. The first of each node may send.
pub(crate) struct Members {
    state: Rc<RefCell<State>>,
    heard: Rc<Notify>,
    of_each: usize,
    /// Of those who send.
    outputs: [OwnedWriteHalf; 2],
    /// Messages that each has sent.
    sent: [u64; 2],
    /// The others only listen.
    _silent: Vec<OwnedWriteHalf>,
}

impl Members {
    /// Within a `LocalSet`.
    pub(crate) async fn connect(nodes: [SocketAddr; 2], of_each: usize) -> Result<Members> {
        let state = State {
            begin: Instant::now(),
            is_open: false,
            deliveries: 0,
            latencies: Vec::new(),
            lacking: Default::default(),
            greeted: vec![false; 2 * of_each],
            failure: None,
        };
        let (state, heard) = (Rc::new(RefCell::new(state)), Rc::new(Notify::new()));
        let (mut outputs, mut silent) = (Vec::new(), Vec::new());
        for member in 0..2 * of_each {
            let node = nodes[member / of_each];
            let socket = TcpStream::connect(node).await.with_context(|| format!("connecting to {node}"))?;
            socket.set_nodelay(true)?;
            let (input, output) = socket.into_split();
            let is_silent = member % of_each != 0;
            let kept = if is_silent { &mut silent } else { &mut outputs };
            kept.push(output);
            let (state, heard) = (Rc::clone(&state), Rc::clone(&heard));
            tokio::task::spawn_local(async move {
                let error = match listen(member, of_each, input, &state, &heard).await {
                    Ok(()) => anyhow::anyhow!("its node has ended the connection"),
                    Err(error) => error,
                };
                state.borrow_mut().failure = Some(error.context(format!("member {member}")));
                heard.notify_one();
            });
        }
        let outputs = outputs.try_into().ok().context("there are two nodes")?;
        let mut members = Members { state, heard, of_each, outputs, sent: [0; 2], _silent: silent };
        members.greet().await?;
        Ok(members)
    }

    /// Sends from each node until all others have heard it.
    async fn greet(&mut self) -> Result<()> {
        let mut packet = Vec::new();
        frame(&Message { sender: GREETING, number: 0, sent_nanos: 0 }.encode(), &mut packet);
        for from in 0..2 {
            self.state.borrow_mut().greeted.fill(false);
            let until = Instant::now() + PATIENCE;
            loop {
                self.outputs[from].write_all(&packet).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.check()?;
                let greeted = self.state.borrow().greeted.iter().filter(|greeted| **greeted).count();
                if greeted >= 2 * self.of_each - 1 {
                    break;
                }
                ensure!(Instant::now() < until, "the nodes do not hear each other after {PATIENCE:?}");
            }
            // What is on its way.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.state.borrow_mut().failure.take().map_or(Ok(()), Err)
    }

    /// Sends as many as may be outstanding.
    async fn fill(&mut self, sender: usize, outstanding: u64) -> Result<()> {
        let mut packets = Vec::new();
        {
            let state = &mut *self.state.borrow_mut();
            while (state.lacking[sender].len() as u64) < outstanding {
                let message = Message::new(sender as u32, self.sent[sender], state.begin);
                frame(&message.encode(), &mut packets);
                state.lacking[sender].insert(message.number, 2 * self.of_each - 1);
                self.sent[sender] += 1;
            }
        }
        if !packets.is_empty() {
            self.outputs[sender].write_all(&packets).await?;
        }
        Ok(())
    }

    /// When it returns, each member has each message, whole, in order, and once.
    pub(crate) async fn run(&mut self, load: Load, at_ends: impl Fn() -> Result<()>) -> Result<Heard> {
        let opens = Instant::now() + load.warm_up;
        let closes = opens + load.window;
        let mut opened = None;
        let mut time = None;
        loop {
            let now = Instant::now();
            if opened.is_none() && now >= opens {
                at_ends()?;
                let state = &mut *self.state.borrow_mut();
                (state.is_open, state.deliveries) = (true, 0);
                state.latencies.clear();
                opened = Some(Instant::now());
            }
            if let Some(since) = opened.filter(|_| time.is_none() && now >= closes) {
                self.state.borrow_mut().is_open = false;
                time = Some(since.elapsed());
                at_ends()?;
            }
            if let Some(time) = time {
                let state = &mut *self.state.borrow_mut();
                if state.lacking.iter().all(BTreeMap::is_empty) {
                    let latencies = std::mem::take(&mut state.latencies);
                    return Ok(Heard { deliveries: state.deliveries, time, latencies });
                }
            } else {
                for sender in 0..load.senders {
                    self.fill(sender, load.outstanding).await?;
                }
            }
            timeout(PATIENCE, self.heard.notified()).await.context("messages are missing for 5 s")?;
            self.check()?;
        }
    }
}

/// Checks what a member hears until its connection ends.
async fn listen(
    member: usize,
    of_each: usize,
    input: OwnedReadHalf,
    state: &RefCell<State>,
    heard: &Notify,
) -> Result<()> {
    let mut packets = Reader::new(input);
    let mut next = [0; 2];
    while let Some(text) = packets.next().await? {
        let Some(Message { sender, number, sent_nanos }) = Message::parse(text) else { bail!("a damaged message") };
        let state = &mut *state.borrow_mut();
        if sender == GREETING {
            state.greeted[member] = true;
            continue;
        }
        let sender = sender as usize;
        let expected = next.get_mut(sender).with_context(|| format!("a message of sender {sender}"))?;
        ensure!(number == *expected, "message {number} of sender {sender} came instead of {expected}");
        *expected += 1;
        if state.is_open {
            state.deliveries += 1;
            if member / of_each != sender {
                let nanos = u64::try_from(state.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
                state.latencies.push(nanos.saturating_sub(sent_nanos) as f64);
            }
        }
        let lacking = state.lacking[sender].get_mut(&number).context("a message that all have")?;
        *lacking -= 1;
        if *lacking == 0 {
            state.lacking[sender].remove(&number);
            heard.notify_one();
        }
    }
    Ok(())
}
