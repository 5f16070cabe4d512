//! The only place that knows an operating system.
//!
//! A backend is asked little: start this request under this name, cancel it, wait, say what happened. Order, limits, timers,
//! short sends, re-arming and closing are the driver's, so that they are the same on every backend. Backends are dispatched by an enum: no
//! type above carries a backend parameter.

#![allow(unsafe_code, reason = "this is where the operating system is called")]

mod bound_path;
mod choice;
mod handle;
#[cfg(unix)]
mod message;
pub(crate) mod sim;
mod socket;
mod wake;

#[cfg(unix)]
pub(crate) mod poll;
#[cfg(target_os = "linux")]
pub(crate) mod uring;
#[cfg(windows)]
pub(crate) mod winsock;

use std::rc::Rc;

use crate::address::Address;
use crate::buf::AnyBuf;
use crate::buf::{Packet, Pool};
use crate::driver::DriverConfig;
use crate::error::{Action, Error, ErrorKind};
use crate::flags::{Flags, ShutdownHow};
use crate::id::OpId;
use crate::options::{DatagramOptions, ListenOptions};
use crate::report::{self, Report};
use crate::time::Time;

pub(crate) use handle::{Handle, View};
pub use sim::{Network, NetworkConfig};
pub use socket::Stream;
pub(crate) use socket::{SystemSocket, Tried};
pub use wake::WakeHandle;
#[cfg(all(test, loom))]
pub(crate) use wake::model as wake_model;

/// What a backend is asked to do. Buffers stay where they are until the request's last event.
pub(crate) enum Request<'a> {
    Accept {
        handle: &'a Handle,
        multi: bool,
    },
    Connect {
        handle: &'a Handle,
        address: &'a Address,
    },
    /// Into the buffer's parts from byte `skip` on; as much as comes, not more than once.
    Recv {
        handle: &'a Handle,
        buf: &'a mut AnyBuf,
        skip: u64,
        flags: Flags,
    },
    /// Into pooled buffers, again and again; a backend may stop after any of them (`more` says so).
    RecvPooled {
        handle: &'a Handle,
    },
    /// From the buffer's parts from byte `skip` on; as much as the system takes.
    Send {
        handle: &'a Handle,
        buf: &'a mut AnyBuf,
        skip: u64,
        flags: Flags,
    },
    /// One datagram into the buffer's parts.
    RecvFrom {
        handle: &'a Handle,
        buf: &'a mut AnyBuf,
        flags: Flags,
    },
    /// Datagrams into pooled buffers, as `RecvPooled`.
    RecvFromPooled {
        handle: &'a Handle,
    },
    /// One datagram of the buffer's parts.
    SendTo {
        handle: &'a Handle,
        buf: &'a mut AnyBuf,
        address: &'a Address,
    },
    Shutdown {
        handle: &'a Handle,
        how: ShutdownHow,
    },
    /// Receives and throws away.
    Discard {
        handle: &'a Handle,
    },
    Close {
        handle: Handle,
    },
}

impl Request<'_> {
    /// The socket that it is for.
    fn handle(&self) -> &Handle {
        match self {
            Request::Accept { handle, .. }
            | Request::Connect { handle, .. }
            | Request::Recv { handle, .. }
            | Request::RecvPooled { handle }
            | Request::Send { handle, .. }
            | Request::RecvFrom { handle, .. }
            | Request::RecvFromPooled { handle }
            | Request::SendTo { handle, .. }
            | Request::Shutdown { handle, .. }
            | Request::Discard { handle } => handle,
            Request::Close { handle } => handle,
        }
    }
}

/// Something that happened to a request.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: OpId,
    /// The request goes on; the event without is its last.
    pub(crate) more: bool,
    pub(crate) happened: Happened,
}

#[derive(Debug)]
pub(crate) enum Happened {
    /// It succeeded, and moved so many bytes where it moves any.
    Moved(u32),
    Accepted(Handle, Address),
    Packet(Packet),
    /// A datagram, of which so many bytes are in the buffer; the rest, if it is truncated, is lost.
    MovedFrom {
        bytes: u32,
        from: Address,
        truncated: bool,
    },
    /// A datagram in a pooled buffer.
    PacketFrom {
        packet: Packet,
        from: Address,
        truncated: bool,
    },
    /// There was no pooled buffer.
    Starved,
    /// The system's code.
    Failed(i32),
}

/// The backends.
#[allow(
    clippy::large_enum_variant,
    reason = "a driver has one, and those of a system are not to be reached through a pointer"
)]
pub(crate) enum Backend {
    #[cfg(target_os = "linux")]
    Uring(uring::Uring),
    #[cfg(unix)]
    Poll(poll::Poll),
    #[cfg(windows)]
    Winsock(winsock::Winsock),
    Sim(sim::Sim),
}

macro_rules! dispatch {
    ($this:expr, $backend:ident => $call:expr) => {
        match $this {
            #[cfg(target_os = "linux")]
            Backend::Uring($backend) => $call,
            #[cfg(unix)]
            Backend::Poll($backend) => $call,
            #[cfg(windows)]
            Backend::Winsock($backend) => $call,
            Backend::Sim($backend) => $call,
        }
    };
}

impl Backend {
    /// The one that is asked for, or else the best that works.
    pub(crate) fn new(config: &DriverConfig, pool: &Rc<Pool>) -> Result<Backend, Error> {
        match choice::chosen(config)? {
            Some((backend, why)) => Backend::forced(backend, config, pool, why),
            None => choice::best(config, pool),
        }
    }

    fn forced(backend: report::Backend, config: &DriverConfig, pool: &Rc<Pool>, why: &str) -> Result<Backend, Error> {
        if config.direct_descriptors && backend != report::Backend::Uring {
            let why = format!("direct descriptors are asked for, which the backend {backend} has not: io_uring has");
            return Err(Error::new(Action::Setup, ErrorKind::Unsupported).because(why));
        }
        match backend {
            #[cfg(target_os = "linux")]
            report::Backend::Uring => uring::Uring::new(config, Rc::clone(pool), why).map(Backend::Uring),
            #[cfg(unix)]
            report::Backend::Poll => poll::Poll::new(config, Rc::clone(pool), why).map(Backend::Poll),
            #[cfg(windows)]
            report::Backend::Winsock => winsock::Winsock::new(config, Rc::clone(pool), why).map(Backend::Winsock),
            report::Backend::Sim => match &config.network {
                Some(network) => Ok(Backend::Sim(sim::Sim::new(config, network, Rc::clone(pool), why))),
                None => Err(Error::new(Action::Setup, ErrorKind::InvalidArgument)
                    .because("a driver on a simulated network has to be given the network")),
            },
            other => Err(Error::new(Action::Setup, ErrorKind::Unsupported)
                .because(format!("there is no backend {other} on {}", std::env::consts::OS))),
        }
    }

    pub(crate) fn report(&self) -> &Report {
        dispatch!(self, b => b.report())
    }

    pub(crate) fn wake_handle(&self) -> WakeHandle {
        dispatch!(self, b => b.wake_handle())
    }

    pub(crate) fn now(&self) -> Time {
        dispatch!(self, b => b.now())
    }

    /// What makes this backend's sockets.
    pub(crate) fn maker(&self) -> Maker {
        match self {
            #[cfg(target_os = "linux")]
            Backend::Uring(_) => Maker::System,
            #[cfg(unix)]
            Backend::Poll(_) => Maker::System,
            #[cfg(windows)]
            Backend::Winsock(_) => Maker::System,
            Backend::Sim(b) => Maker::Sim(b.network().clone()),
        }
    }

    /// A socket comes to this backend, under the number by which requests name it.
    pub(crate) fn attach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        if !matches!(self, Backend::Sim(_)) && matches!(handle, Handle::Simulated(_)) {
            let why = "it is a socket of a simulated network, on which this driver is not";
            return Err(Error::new(Action::Socket, ErrorKind::InvalidArgument).because(why));
        }
        dispatch!(self, b => b.attach(socket, handle))
    }

    /// A stream has come to it, and is kept in the form that it is given back in.
    pub(crate) fn take_in(&mut self, socket: u32, handle: Handle) -> Handle {
        match self {
            #[cfg(target_os = "linux")]
            Backend::Uring(b) => b.take_in(socket, handle),
            _ => {
                let _ = socket;
                handle
            }
        }
    }

    /// A descriptor of a socket that has none of its own; `None` if it has.
    pub(crate) fn descriptor_of(&self, handle: &Handle) -> Result<Option<Handle>, Error> {
        match self {
            #[cfg(target_os = "linux")]
            Backend::Uring(b) => b.descriptor_of(handle),
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
            Backend::Uring(b) => b.direct(),
            _ => 0,
        }
    }

    /// A socket on which nothing is in flight leaves it.
    pub(crate) fn detach(&mut self, socket: u32, handle: &Handle) -> Result<(), Error> {
        dispatch!(self, b => b.detach(socket, handle))
    }

    /// Whether one more start or cancel can be taken now; makes room if it can.
    pub(crate) fn has_room(&mut self) -> Result<bool, Error> {
        dispatch!(self, b => b.has_room())
    }

    /// Takes a request on. There is room, and no other request has this name.
    pub(crate) fn start(&mut self, id: OpId, socket: u32, request: Request<'_>) {
        dispatch!(self, b => b.start(id, socket, request))
    }

    /// Asks for a request to end. There is room.
    pub(crate) fn cancel(&mut self, id: OpId) {
        dispatch!(self, b => b.cancel(id))
    }

    /// When the driver's earliest timer runs out, for a backend whose clock is moved by others too.
    pub(crate) fn set_alarm(&mut self, at: Option<Time>) {
        if let Backend::Sim(b) = self {
            b.set_alarm(at);
        }
    }

    /// A seed for the driver's random source: different in every driver of every process, but on a simulated network drawn from its seed.
    pub(crate) fn seed(&self) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        match self {
            Backend::Sim(b) => b.seed(),
            _ => std::collections::hash_map::RandomState::new().build_hasher().finish(),
        }
    }

    /// Hands everything to the system and waits until something happens or `until` has come (`None`: no limit).
    pub(crate) fn turn(&mut self, until: Option<Time>) -> Result<(), Error> {
        dispatch!(self, b => b.turn(until))
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        dispatch!(self, b => b.next())
    }

    /// The system did not let go: memory that it may still touch is never freed.
    pub(crate) fn leak(&mut self) {
        dispatch!(self, b => b.leak())
    }
}

/// Makes sockets, on any thread.
#[derive(Clone, Debug)]
pub(crate) enum Maker {
    System,
    Sim(Network),
}

impl Maker {
    pub(crate) fn listen(&self, address: &Address, options: &ListenOptions) -> Result<Handle, Error> {
        match self {
            Maker::System => SystemSocket::listen(address, options).map(Handle::System),
            Maker::Sim(network) => network.listen(address, options),
        }
    }

    pub(crate) fn stream(&self, family_of: &Address) -> Result<Handle, Error> {
        match self {
            Maker::System => SystemSocket::stream(family_of).map(Handle::System),
            Maker::Sim(network) => network.stream(family_of),
        }
    }

    pub(crate) fn datagram(&self, address: &Address, options: &DatagramOptions) -> Result<Handle, Error> {
        match self {
            Maker::System => SystemSocket::datagram(address, options).map(Handle::System),
            Maker::Sim(network) => network.datagram(address, options),
        }
    }

    /// This moment on the clock of these sockets' backend.
    pub(crate) fn now(&self) -> Time {
        match self {
            Maker::System => Time::real(),
            Maker::Sim(network) => network.now(),
        }
    }
}

/// Tells a receive's buffer how many bytes the system put into it.
pub(crate) fn set_received(buf: &mut AnyBuf, bytes: usize) {
    // SAFETY: the driver passes the sum of what the backend reported for this buffer, and backends fill parts in order.
    unsafe { buf.set_received(bytes) }
}
