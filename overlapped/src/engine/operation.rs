//! An operation that is ready to be started, and the four ways to be told of its end.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::core::{Core, Request, Started};
use super::ending::{Ending, Owner};
use super::notify::{Notify, ToldBy};
use super::port::{Association, CompletionPort, Queued};
use super::{endpoint::Endpoint, event::Event, overlapped::Overlapped, routine};
use crate::buf::Crossing;
use crate::driver::Op;
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::id::OpId;
use crate::time::Time;

/// An operation that has not been started. How you start it decides how you are told of its end:
///
/// | model | start it with | and be told by |
/// |---|---|---|
/// | I | [`.event(&event)`][event][`.start()`][start] | the [`Event`]; [`result`][result] |
/// | II | [`.on_complete(f)`][on_complete] | `f`, in an alertable wait of this thread |
/// | III | [`.to_port(token)`][to_port] | a packet on the socket's [`CompletionPort`] |
/// | | [`.post_to(&port, key, token)`][post_to] | a packet on this port |
/// | IV | `.await` (or [`.start()`][start], and await that) | the future |
///
/// [event]: Operation::event
/// [start]: Operation::start
/// [on_complete]: Operation::on_complete
/// [result]: Overlapped::result
/// [to_port]: Operation::to_port
/// [post_to]: Operation::post_to
///
/// A start fails only for reasons that are known at once, and returns what was handed over:
/// `InvalidArgument`, `Closed`, `LimitReached`. Every error of the operating system is the
/// operation's result. No routine, waker or other code of the program runs within a start.
///
/// An operation is told of in one way. Once it has an event it has neither
/// [`on_complete`](Operation::on_complete) nor [`to_port`](Operation::to_port) nor a second event:
///
/// ```compile_fail,E0599
/// # fn f(socket: &overlapped::Socket, event: &overlapped::Event) {
/// let _ = socket.recv(vec![0; 64]).event(event).on_complete(|_| {});
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn f(socket: &overlapped::Socket, event: &overlapped::Event) {
/// let _ = socket.recv(vec![0; 64]).event(event).to_port(1);
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn f(socket: &overlapped::Socket, event: &overlapped::Event) {
/// let _ = socket.recv(vec![0; 64]).event(event).event(event).start();
/// # }
/// ```
#[must_use = "nothing has been started"]
pub struct Operation<'a, T: Ending, E = ()> {
    core: &'a Arc<Core>,
    endpoint: Option<&'a Endpoint>,
    /// The event, if there is one.
    event: E,
    state: State<T>,
}

enum State<T: Ending> {
    Ready(Crossing<Op>),
    Started(Overlapped<T>),
    Over,
}

impl<T: Ending, E> Unpin for Operation<'_, T, E> {}

impl<'a, T: Ending> Operation<'a, T> {
    pub(crate) fn new(core: &'a Arc<Core>, endpoint: Option<&'a Endpoint>, op: Crossing<Op>) -> Operation<'a, T> {
        Operation { core, endpoint, event: (), state: State::Ready(op) }
    }

    /// Names an event. It is reset when the operation starts, and set when the operation has ended.
    pub fn event(self, event: &'a Event) -> Operation<'a, T, &'a Event> {
        Operation { core: self.core, endpoint: self.endpoint, event, state: self.state }
    }

    /// Starts it with a completion routine. `routine` is called on this thread, in an alertable
    /// wait after the operation has ended ([`wait_alertable`](crate::routine::wait_alertable),
    /// [`sleep_alertable`](crate::routine::sleep_alertable)), and nowhere else. If the thread ends
    /// before that, the routine is dropped there; the operation goes on, and its result is dropped.
    /// A panic in a routine is contained.
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
        let op = self.take_op();
        let (core, flags) = (Arc::clone(self.core), op.get().kind.flags());
        let kept = routine::keep(Box::new(move |completion| {
            routine(T::from_completion(completion, flags, &|| Arc::clone(&core) as Owner));
        }));
        match kept {
            Some((queue, key)) => {
                let kept = routine::Kept(key);
                let started = self.go(op, Notify::Routine(queue, key), true);
                if started.is_ok() {
                    kept.has_started();
                }
                started
            }
            None => Err(Failed {
                error: Error::new(Action::Routine, ErrorKind::Closed).because("the thread is ending"),
                given: T::given(op.into_inner().into_buf()),
            }),
        }
    }

    /// Starts it so that its end becomes a packet on the completion port of its socket, with the
    /// association's key and this token.
    ///
    /// # Errors
    /// See [`Operation`]; `InvalidArgument` if the socket is not associated with a port.
    ///
    /// # Panics
    /// If it has been polled before.
    pub fn to_port(mut self, token: u64) -> Result<Queued, Failed<T::Back>> {
        let op = self.take_op();
        let Some(association) = self.endpoint.and_then(|endpoint| endpoint.association.get()) else {
            let error = Error::new(op.get().kind.action(), ErrorKind::InvalidArgument)
                .because("its socket is not associated with a completion port; use `post_to`");
            return Err(Failed { error, given: T::given(op.into_inner().into_buf()) });
        };
        self.go_to_port(op, association, token)
    }

    /// Starts it so that its end becomes a packet on `port`, with this key and this token, as if
    /// they had been [posted](CompletionPort::post): for timers and other operations without a
    /// socket, and for sockets that are not associated with this port. A socket's association
    /// stays what it is.
    ///
    /// The packet is that of [`to_port`](Operation::to_port): it has the operation's
    /// [action](crate::port::CompletionPacket::action) and result, and its room in the port is kept
    /// from the start on. Each call allocates a little; an associated socket does not.
    ///
    /// # Errors
    /// See [`Operation`]; `LimitReached` and `Closed` if the port is full or closed.
    ///
    /// # Panics
    /// If it has been polled before.
    ///
    /// ```
    /// use overlapped::driver::Wait;
    /// use overlapped::error::Action;
    /// use overlapped::{CompletionPort, Engine};
    /// use std::time::Duration;
    ///
    /// let engine = Engine::new()?;
    /// let port = CompletionPort::new(1, 1024);
    /// engine.sleep(Duration::from_millis(5)).post_to(&port, 7, 1)?;
    /// let packet = port.get(Wait::Forever)?.unwrap();
    /// assert_eq!((packet.key, packet.token), (7, 1));
    /// assert_eq!(packet.action(), Some(Action::Timer));
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn post_to(mut self, port: &CompletionPort, key: usize, token: u64) -> Result<Queued, Failed<T::Back>> {
        let op = self.take_op();
        let association = Association::new(port, key, Arc::clone(self.core) as Owner);
        self.go_to_port(op, &Arc::new(association), token)
    }

    fn go_to_port(
        &self,
        op: Crossing<Op>,
        association: &Arc<Association>,
        token: u64,
    ) -> Result<Queued, Failed<T::Back>> {
        let action = op.get().kind.action();
        let given = |op: Crossing<Op>| T::given(op.into_inner().into_buf());
        let room = match association.port.reserve(action) {
            Ok(room) => room,
            Err(error) => return Err(Failed { error, given: given(op) }),
        };
        let notify = Notify::Port(Arc::clone(association), token);
        match self.core.start(self.endpoint, Request { op, notify, detached: true }) {
            Ok(Started::Pending(id)) => {
                room.keep();
                Ok(Queued::Pending(id))
            }
            Ok(Started::Immediate(flags, completion)) => {
                Ok(Queued::Done(association.packet(token, action, flags, completion)))
            }
            Err(failed) => Err(Failed { error: failed.error, given: given(failed.given.op) }),
        }
    }
}

impl<T: Ending, E> Operation<'_, T, E> {
    /// Ends the operation with `TimedOut` if it has not ended when the engine's clock
    /// ([`Engine::now`](crate::Engine::now)) has reached `at`.
    ///
    /// It is cancelled then, and all is as after a cancel except for the kind of the error. It ends
    /// once, in the way that it was started, with its buffer and with what it had done by then: a
    /// send says how many bytes it had written ([`Error::transferred`]), and breaks the stream if
    /// it was cut short; a wait-all receive that had taken bytes out of the stream ends with them,
    /// as success. An operation that is faster than its cancellation ends as if it had no deadline.
    ///
    /// The deadline also counts while the operation waits behind others on its socket. At a moment
    /// that has passed, the operation may end without having been tried. A second deadline replaces
    /// the first. A timer and a close have times of their own: with a deadline, their start is
    /// refused with `InvalidArgument`.
    ///
    /// # Panics
    /// If it has been polled before.
    ///
    /// ```
    /// use overlapped::driver::Wait;
    /// use overlapped::{Engine, ErrorKind};
    /// use std::time::Duration;
    ///
    /// let engine = Engine::new()?;
    /// let listener = engine.listen("127.0.0.1:0", &Default::default())?;
    /// let soon = engine.now() + Duration::from_millis(5);
    /// let mut accept = listener.accept().deadline(soon).start()?;
    /// assert_eq!(accept.result(Wait::Forever).unwrap_err().kind(), ErrorKind::TimedOut);
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn deadline(mut self, at: Time) -> Self {
        let op = self.take_op().into_inner().with_deadline(at);
        self.state = State::Ready(Crossing::new(op));
        self
    }

    /// As [`deadline`](Operation::deadline), a duration after this call.
    ///
    /// # Panics
    /// If it has been polled before.
    ///
    /// ```
    /// # use overlapped::driver::Wait;
    /// # let engine = overlapped::Engine::new()?;
    /// # let listener = engine.listen("127.0.0.1:0", &Default::default())?;
    /// # let _client = std::net::TcpStream::connect(listener.local_addr()?).unwrap();
    /// # let socket = listener.accept().start()?.result(Wait::Forever)?.socket;
    /// use std::time::Duration;
    ///
    /// let mut receive = socket.recv(vec![0; 64]).timeout(Duration::from_millis(5)).start()?;
    /// assert!(receive.result(Wait::Forever).is_err());
    /// assert_eq!(receive.take_buf(), Some(vec![0; 64]), "the buffer comes back");
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn timeout(self, duration: Duration) -> Self {
        let at = self.core.maker.now() + duration;
        self.deadline(at)
    }

    fn take_op(&mut self) -> Crossing<Op> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Ready(op) => op,
            _ => panic!("an operation is started once"),
        }
    }

    /// Starts it in a way that has no immediate result.
    fn go(&self, op: Crossing<Op>, notify: Notify, detached: bool) -> Result<OpId, Failed<T::Back>> {
        match self.core.start(self.endpoint, Request { op, notify, detached }) {
            Ok(Started::Pending(id)) => Ok(id),
            Ok(_) => unreachable!("only a start with a packet is tried directly"),
            Err(Failed { error, given }) => Err(Failed { error, given: T::given(given.op.into_inner().into_buf()) }),
        }
    }
}

impl<T: Ending, E: ToldBy> Operation<'_, T, E> {
    /// Starts it, and returns a handle.
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
        let op = self.take_op();
        let action = op.get().kind.action();
        let id = self.go(op, self.event.notify(), false)?;
        Ok(Overlapped::new(Arc::clone(self.core), id, action))
    }

    /// Starts it without a handle. If an event was named, it is set when the operation has ended.
    /// The result is dropped.
    ///
    /// # Errors
    /// See [`Operation`].
    ///
    /// # Panics
    /// If it has been polled before.
    pub fn detach(mut self) -> Result<OpId, Failed<T::Back>> {
        let op = self.take_op();
        self.go(op, self.event.notify(), true)
    }

    /// Starts it, if that has not been done, and returns the result if it has ended.
    pub(super) fn poll_result(&mut self, waker: &Waker) -> Option<Result<T, Failed<T::Back>>> {
        if let State::Ready(op) = &self.state {
            if let Err(error) = self.core.check_executor(op.get().kind.action()) {
                let given = T::given(self.take_op().into_inner().into_buf());
                return Some(Err(Failed { error, given }));
            }
            match self.begin() {
                Ok(overlapped) => self.state = State::Started(overlapped),
                Err(failed) => return Some(Err(failed)),
            }
        }
        let State::Started(overlapped) = &mut self.state else { panic!("polled after its result was taken") };
        let result = overlapped.poll_result(waker)?;
        self.state = State::Over;
        Some(result)
    }
}

impl<T: Ending, E> fmt::Debug for Operation<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Ready(op) => write!(f, "Operation({:?}, not started)", op.get().kind.action()),
            State::Started(overlapped) => overlapped.fmt(f),
            State::Over => f.write_str("Operation(over)"),
        }
    }
}
