//! An operation that is ready to be started, and the four ways to be told of its end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::ending::{Ending, Parcel};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::event::Event;
use crate::id::OpId;
use crate::notify::Notify;
use crate::op::Op;
use crate::overlapped::Overlapped;
use crate::port::Queued;
use crate::proactor::Core;
use crate::routine;
use crate::socket::SocketInner;

/// An operation that has not been started. How it is started says how its end is told:
///
/// | model | start it with | and be told by |
/// |---|---|---|
/// | I | [`.event(&event)`](Operation::event)[`.start()`](Operation::start) | the [`Event`], then [`Overlapped::result`] |
/// | II | [`.on_complete(f)`](Operation::on_complete) | `f`, in an alertable wait of this thread |
/// | III | [`.to_port(token)`](Operation::to_port) | a packet on the socket's [`CompletionPort`](crate::CompletionPort) |
/// | IV | `.await` (or [`.start()`](Operation::start), and await that) | the future |
///
/// A start fails only with what can be found out on the spot, and gives back what was handed over: `InvalidArgument`, `Closed`,
/// `LimitReached`. Every error of the operating system is the operation's ending. No routine, waker or other code of the program runs within a start.
#[must_use = "nothing has been started"]
pub struct Operation<'a, T: Ending> {
    core: &'a Arc<Core>,
    socket: Option<&'a SocketInner>,
    event: Option<&'a Event>,
    state: State<T>,
}

enum State<T: Ending> {
    Ready(Parcel),
    Started(Overlapped<T>),
    Over,
}

impl<T: Ending> Unpin for Operation<'_, T> {}

impl<'a, T: Ending> Operation<'a, T> {
    pub(crate) fn new(core: &'a Arc<Core>, socket: Option<&'a SocketInner>, parcel: Parcel) -> Operation<'a, T> {
        Operation { core, socket, event: None, state: State::Ready(parcel) }
    }

    fn take_parcel(&mut self) -> Parcel {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Ready(parcel) => parcel,
            _ => panic!("an operation is started once"),
        }
    }

    fn go(&self, parcel: Parcel, notify: Notify, detached: bool) -> Result<OpId, Failed<T::Back>> {
        let started = match self.socket {
            Some(socket) => socket.start(parcel, notify, detached),
            None => self.core.start(None, parcel, notify, detached),
        };
        started.map_err(|Failed { error, given: (parcel, notify) }| {
            if let Notify::Routine(_, key) = notify {
                routine::forget(key);
            }
            Failed { error, given: T::given(Op(parcel.into_start()).into_buf()) }
        })
    }

    /// The event is reset when the operation starts, and set when it has ended. (An operation with a routine or a port ignores it.)
    pub fn event(mut self, event: &'a Event) -> Operation<'a, T> {
        self.event = Some(event);
        self
    }

    /// Starts it, and gives a handle.
    ///
    /// # Errors
    /// See [`Operation`].
    ///
    /// # Panics
    /// If it has been polled before.
    pub fn start(mut self) -> Result<Overlapped<T>, Failed<T::Back>> {
        self.begin()
    }

    fn begin(&mut self) -> Result<Overlapped<T>, Failed<T::Back>> {
        let parcel = self.take_parcel();
        let action = parcel.start().action();
        let notify = self.event.map_or(Notify::Nobody, |event| Notify::Event(event.clone()));
        let id = self.go(parcel, notify, false)?;
        Ok(Overlapped::new(Arc::clone(self.core), id, action))
    }

    /// Starts it, and lets it go on without a handle. An event, if one was named, is set when it has ended; what it brings is dropped.
    ///
    /// # Errors
    /// See [`Operation`].
    ///
    /// # Panics
    /// If it has been polled before.
    pub fn detach(mut self) -> Result<OpId, Failed<T::Back>> {
        let parcel = self.take_parcel();
        let notify = self.event.map_or(Notify::Nobody, |event| Notify::Event(event.clone()));
        self.go(parcel, notify, true)
    }

    /// Starts it with a completion routine: `routine` is called on this thread, in an alertable wait after the operation has
    /// ended ([`wait_alertable`](crate::routine::wait_alertable), [`sleep_alertable`](crate::routine::sleep_alertable)), and nowhere else. If the thread ends before, the
    /// routine is dropped there; the operation goes on and ends, and what it brings is dropped. A routine that panics is contained.
    ///
    /// # Errors
    /// See [`Operation`].
    ///
    /// # Panics
    /// If it has been polled before.
    pub fn on_complete(
        mut self,
        routine: impl FnOnce(Result<T, Failed<T::Back>>) + 'static,
    ) -> Result<OpId, Failed<T::Back>> {
        let parcel = self.take_parcel();
        let core = Arc::clone(self.core);
        let kept = routine::keep(Box::new(move |raw| routine(T::from_raw(raw, &core))));
        match kept {
            Some((queue, key)) => self.go(parcel, Notify::Routine(queue, key), true),
            None => Err(Failed {
                error: Error::new(Action::Routine, ErrorKind::Closed).because("the thread is at its end"),
                given: T::given(Op(parcel.into_start()).into_buf()),
            }),
        }
    }

    /// Starts it so that its end comes as a packet on the completion port with which its socket is associated, with the
    /// association's key and this token.
    ///
    /// # Errors
    /// See [`Operation`]; `InvalidArgument` if the socket is not associated with a port.
    ///
    /// # Panics
    /// If it has been polled before.
    pub fn to_port(mut self, token: u64) -> Result<Queued, Failed<T::Back>> {
        let mut parcel = self.take_parcel();
        let action = parcel.start().action();
        let given = |parcel: Parcel| T::given(Op(parcel.into_start()).into_buf());
        let Some((socket, association)) = self.socket.and_then(|socket| Some((socket, socket.association()?))) else {
            let why = "its socket is not associated with a completion port";
            return Err(Failed {
                error: Error::new(action, ErrorKind::InvalidArgument).because(why),
                given: given(parcel),
            });
        };
        if let Err(error) = association.reserve() {
            return Err(Failed { error, given: given(parcel) });
        }
        // In this scope the socket's gate is held if it skips packets, so that what is tried here keeps its place among the starts.
        let started = socket.try_now(self.core, &mut parcel, |core, parcel, tried| match tried {
            Some(raw) if raw.result.is_ok() => {
                association.release();
                Ok(Ok(Queued::Done(association.packet(token, raw))))
            }
            Some(raw) => {
                association.ended(token, raw);
                Ok(Ok(Queued::Pending(None)))
            }
            None => {
                let notify = Notify::Port(Arc::clone(association), token);
                core.start(Some(socket.id()), parcel, notify, true).map(|id| Ok(Queued::Pending(Some(id))))
            }
        });
        match started {
            Ok(done) => done,
            Err(Failed { error, given: (parcel, _) }) => {
                association.release();
                Err(Failed { error, given: given(parcel) })
            }
        }
    }
}

impl<T: Ending> Future for Operation<'_, T> {
    type Output = Result<T, Failed<T::Back>>;

    /// Starts it when it is first polled. Dropping it cancels it.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Ready(_) = self.state {
            self.state = State::Started(self.begin()?);
        }
        let State::Started(overlapped) = &mut self.state else { panic!("polled after its result was taken") };
        let ended = ready!(Pin::new(overlapped).poll(context));
        self.state = State::Over;
        Poll::Ready(ended)
    }
}

impl<T: Ending> fmt::Debug for Operation<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Ready(parcel) => write!(f, "Operation({:?}, not started)", parcel.start().action()),
            State::Started(overlapped) => overlapped.fmt(f),
            State::Over => f.write_str("Operation(over)"),
        }
    }
}
