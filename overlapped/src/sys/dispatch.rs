//! The backend in use: chosen when a driver is made, and called through an enum.

use std::rc::Rc;
use std::sync::Once;

use crate::buf::Pool;
use crate::error::{Action, Error, ErrorKind};
use crate::id::OpId;
use crate::options::BackendOptions;
use crate::report::{Backend, Report};
use crate::time::Time;
use crate::wake::WakeHandle;

use super::op::{Event, OpKind, Owned};
#[cfg(unix)]
use super::poll::Poll;
#[cfg(target_os = "linux")]
use super::uring::Uring;
#[cfg(windows)]
use super::winsock::Winsock;
use super::{clock, handle::Handle, maker::Maker};
use super::{sim::Sim, sim::network::Network};

/// The backend of a driver.
#[allow(clippy::large_enum_variant, reason = "a driver has one, and every call would go through a pointer")]
pub(crate) enum AnyBackend {
    #[cfg(target_os = "linux")]
    Uring(Uring),
    #[cfg(unix)]
    Poll(Poll),
    #[cfg(windows)]
    Winsock(Winsock),
    Sim(Sim),
}

macro_rules! dispatch {
    ($this:expr, $backend:ident => $call:expr) => {
        match $this {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring($backend) => $call,
            #[cfg(unix)]
            AnyBackend::Poll($backend) => $call,
            #[cfg(windows)]
            AnyBackend::Winsock($backend) => $call,
            AnyBackend::Sim($backend) => $call,
        }
    };
}

impl AnyBackend {
    /// The backend that is asked for, or else the best that works.
    pub(crate) fn new(
        asked: Option<Backend>,
        network: Option<&Network>,
        options: &BackendOptions,
        pool: &Rc<Pool>,
    ) -> Result<AnyBackend, Error> {
        match chosen(asked, network.is_some())? {
            Some((backend, why)) => AnyBackend::forced(backend, network, options, pool, why),
            None => AnyBackend::best(options, pool),
        }
    }

    /// The first of this system's backends that can be set up. A warning, once in a process, says
    /// why a better one could not.
    fn best(options: &BackendOptions, pool: &Rc<Pool>) -> Result<AnyBackend, Error> {
        let mut why = "the best that works here".to_owned();
        let mut refused = None;
        for &backend in Backend::of_this_system() {
            match AnyBackend::forced(backend, None, options, pool, &why) {
                Ok(made) => {
                    if refused.is_some() {
                        static WARNED: Once = Once::new();
                        WARNED.call_once(|| tracing::warn!("falling back to the backend {backend}: {why}"));
                    }
                    return Ok(made);
                }
                // No other backend has them either.
                Err(error) if options.direct_descriptors => return Err(error),
                Err(error) => {
                    why = format!("{backend} cannot be used: {error}");
                    refused = Some(error);
                }
            }
        }
        Err(refused
            .unwrap_or_else(|| Error::new(Action::Setup, ErrorKind::Unsupported).because("there is no backend here")))
    }

    fn forced(
        backend: Backend,
        network: Option<&Network>,
        options: &BackendOptions,
        pool: &Rc<Pool>,
        why: &str,
    ) -> Result<AnyBackend, Error> {
        let error = |kind, why: String| Err(Error::new(Action::Setup, kind).because(why));
        if options.direct_descriptors && backend != Backend::Uring {
            let why = format!("direct descriptors are asked for, which the backend {backend} has not: io_uring has");
            return error(ErrorKind::Unsupported, why);
        }
        match backend {
            #[cfg(target_os = "linux")]
            Backend::Uring => Uring::new(options, Rc::clone(pool), why).map(AnyBackend::Uring),
            #[cfg(unix)]
            Backend::Poll => Poll::new(options, Rc::clone(pool), why).map(AnyBackend::Poll),
            #[cfg(windows)]
            Backend::Winsock => Winsock::new(options, Rc::clone(pool), why).map(AnyBackend::Winsock),
            Backend::Sim => match network {
                Some(network) => Ok(AnyBackend::Sim(Sim::new(options, network, Rc::clone(pool), why))),
                None => {
                    let why = "a driver on a simulated network has to be given the network";
                    error(ErrorKind::InvalidArgument, why.into())
                }
            },
            other => error(ErrorKind::Unsupported, format!("there is no backend {other} on {}", std::env::consts::OS)),
        }
    }

    pub(crate) fn report(&self) -> &Report {
        dispatch!(self, b => &b.report)
    }

    pub(crate) fn wake_handle(&self) -> WakeHandle {
        dispatch!(self, b => b.wake.clone())
    }

    pub(crate) fn now(&self) -> Time {
        match self {
            AnyBackend::Sim(b) => b.network.now(),
            _ => clock::now(),
        }
    }

    /// What makes this backend's sockets.
    pub(crate) fn maker(&self) -> Maker {
        match self {
            AnyBackend::Sim(b) => Maker::Sim(b.network.clone()),
            _ => Maker::System,
        }
    }

    /// A socket comes to this backend. `socket` is its number in all later calls.
    pub(crate) fn attach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        if !matches!(self, AnyBackend::Sim(_)) && matches!(handle, Handle::Simulated(_)) {
            let why = "it is a socket of a simulated network that this driver is not on";
            return Err(Error::new(Action::Socket, ErrorKind::InvalidArgument).because(why));
        }
        dispatch!(self, b => b.attach(socket, handle))
    }

    /// The form in which this backend keeps a stream that was attached.
    pub(crate) fn take_in(&mut self, socket: u32, handle: Handle) -> Handle {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.take_in(socket, handle),
            _ => {
                let _ = socket;
                handle
            }
        }
    }

    /// A descriptor of a socket that has none of its own; `None` if it has one.
    pub(crate) fn descriptor_of(&self, handle: &Handle) -> Result<Option<Handle>, Error> {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.descriptor_of(handle),
            _ => {
                let _ = handle;
                Ok(None)
            }
        }
    }

    /// Sockets that are direct descriptors.
    pub(crate) fn direct(&self) -> usize {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.direct(),
            _ => 0,
        }
    }

    /// A socket on which nothing is in flight leaves this backend.
    pub(crate) fn detach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        dispatch!(self, b => b.detach(socket, handle))
    }

    /// Whether one more start, close or cancel can be taken now; makes room if it can.
    pub(crate) fn has_room(&mut self) -> Result<bool, Error> {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.has_room(),
            _ => Ok(true),
        }
    }

    /// Starts an operation. There is room, and no other operation has this name. What it owns stays
    /// where it is until its last event.
    #[inline]
    pub(crate) fn start(&mut self, id: OpId, kind: OpKind, socket: u32, handle: &Handle, owned: Option<&mut Owned>) {
        dispatch!(self, b => b.start(id, kind, socket, handle, owned))
    }

    /// Closes a socket on which nothing is in flight, as an operation. There is room.
    pub(crate) fn close(&mut self, id: OpId, socket: u32, handle: Handle) {
        dispatch!(self, b => b.close(id, socket, handle))
    }

    /// Whether a piece of a file that fails may have been sent in part.
    pub(crate) fn tells_of_whole_pieces(&self) -> bool {
        #[cfg(windows)]
        return matches!(self, AnyBackend::Winsock(_));
        #[cfg(not(windows))]
        false
    }

    /// Asks for an operation to end. There is room.
    pub(crate) fn cancel(&mut self, id: OpId) {
        dispatch!(self, b => b.cancel(id))
    }

    /// An operation that a cancel, of a turn before, has not found. If it has not ended it must be
    /// cancelled again.
    #[inline]
    pub(crate) fn missed(&mut self) -> Option<OpId> {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.missed(),
            _ => None,
        }
    }

    /// Asks for a send to end as soon as the system has taken what it takes without waiting. There
    /// is room. Returns `false` if its event, known to be there already, is that of an earlier try.
    pub(crate) fn hasten(&mut self, id: OpId) -> bool {
        match self {
            #[cfg(unix)]
            AnyBackend::Poll(b) => b.hasten(id),
            AnyBackend::Sim(b) => b.hasten(id),
            // The system has tried it when it was started.
            #[cfg(any(target_os = "linux", windows))]
            _ => {
                self.cancel(id);
                true
            }
        }
    }

    /// A connect of a stream has failed, or was `cancelled`. The next connect of the socket is a
    /// fresh attempt, and of this one nothing goes on.
    pub(crate) fn connect_failed(&mut self, socket: u32, handle: &Handle, cancelled: bool) {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) if cancelled => b.disconnect(handle),
            #[cfg(unix)]
            AnyBackend::Poll(b) => b.connect_failed(socket, handle, cancelled),
            AnyBackend::Sim(b) if cancelled => b.disconnect(handle),
            _ => _ = socket,
        }
    }

    /// This backend ends while it has a socket. Closing the socket is not to wait.
    pub(crate) fn hasten_close(&self, handle: &Handle) {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.hasten_close(handle),
            // Dropping the handle closes the socket, and sees to that.
            _ => _ = handle,
        }
    }

    /// Whether a client is in a listener's backlog.
    pub(crate) fn has_client(&self, listener: &Handle) -> bool {
        // A simulated network does not run out of anything.
        matches!(self, AnyBackend::Sim(_)) || listener.system().has_client()
    }

    /// Says when the driver's earliest timer runs out, for a backend whose clock others move too.
    pub(crate) fn set_alarm(&mut self, at: Option<Time>) {
        if let AnyBackend::Sim(b) = self {
            b.set_alarm(at);
        }
    }

    /// A seed for the driver's random source. It is different in every driver of every process; on
    /// a simulated network it is drawn from the network's seed.
    pub(crate) fn seed(&self) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        match self {
            AnyBackend::Sim(b) => b.seed,
            _ => std::collections::hash_map::RandomState::new().build_hasher().finish(),
        }
    }

    /// Hands everything to the system and waits until something happens, or until the moment
    /// `until`; `None` is no limit.
    pub(crate) fn turn(&mut self, until: Option<Time>) -> Result<(), Error> {
        dispatch!(self, b => b.turn(until))
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        dispatch!(self, b => b.next())
    }

    /// Sends at once what the system takes without a wait: how many bytes, or the system's code. No
    /// send of the socket is in flight. `None`: an operation is to send it.
    #[inline]
    pub(crate) fn send_at_once(&mut self, socket: u32, handle: &Handle, bytes: &[u8]) -> Option<Result<usize, i32>> {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.send_at_once(handle, bytes),
            #[cfg(unix)]
            AnyBackend::Poll(b) => b.send_at_once(socket, bytes),
            #[cfg(windows)]
            AnyBackend::Winsock(_) => {
                let _ = socket;
                None
            }
            AnyBackend::Sim(b) => b.send_at_once(handle, bytes),
        }
    }

    /// Whether so many starts that wait to be handed over are better made now than in the next
    /// turn.
    #[inline]
    pub(crate) fn starts_at_once(&self, waiting: usize) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.starts_at_once(waiting),
            #[cfg(unix)]
            AnyBackend::Poll(_) => waiting > 0,
            _ => false,
        }
    }

    /// Whether there may be ends of what ended as it was started.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.has_ended(),
            #[cfg(unix)]
            AnyBackend::Poll(b) => b.has_ended(),
            _ => false,
        }
    }

    /// The next end of a send that ended as it was started, if that is what the backend tells next.
    #[inline]
    pub(crate) fn next_sent(&mut self) -> Option<Event> {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.next_sent(),
            #[cfg(unix)]
            AnyBackend::Poll(b) => b.next_sent(),
            _ => None,
        }
    }

    /// The system did not let go of everything: memory that it may still touch is never freed.
    pub(crate) fn leak(&mut self) {
        match self {
            #[cfg(target_os = "linux")]
            AnyBackend::Uring(b) => b.leak(),
            #[cfg(windows)]
            AnyBackend::Winsock(b) => b.leak(),
            // Between calls, the system has no memory of theirs.
            _ => {}
        }
    }
}

/// Names a backend for programs that do not choose one themselves.
const VARIABLE: &str = "PROACTOR_BACKEND";

/// The backend that is asked for, and why it is this one. `None` asks for the best that works.
fn chosen(asked: Option<Backend>, on_network: bool) -> Result<Option<(Backend, &'static str)>, Error> {
    let invalid = |why: String| Error::new(Action::Setup, ErrorKind::InvalidArgument).because(why);
    if on_network {
        return match asked {
            None | Some(Backend::Sim) => Ok(Some((Backend::Sim, "a network was given"))),
            Some(other) => Err(invalid(format!("a simulated network was given, which the backend {other} cannot use"))),
        };
    }
    if let Some(backend) = asked {
        return Ok(Some((backend, "asked for")));
    }
    let Some(name) = std::env::var_os(VARIABLE) else { return Ok(None) };
    match name.to_string_lossy().as_ref() {
        "" | "auto" => Ok(None),
        name => match name.parse() {
            Ok(backend) => Ok(Some((backend, "asked for by PROACTOR_BACKEND"))),
            Err(why) => Err(invalid(format!("{VARIABLE}: {why}"))),
        },
    }
}
