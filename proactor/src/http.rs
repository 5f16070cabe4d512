//! HTTP beside a listener's WebSocket: a service of hyper on the bytes of one connection. Knows no
//! socket.

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use overlapped::Address;

/// hyper takes no less for a head.
const LEAST_HEAD_BYTES: usize = 8 * 1024;

type BoxedFuture<T> = Pin<Box<dyn Future<Output = T>>>;
type BoxedError = Box<dyn Error + Send + Sync>;

/// The service of a listener, for plain requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Http(Arc<dyn Serve>);

/// What the connections of a listener keep to.
pub(crate) struct Limits {
    /// The only path of the WebSocket, if there is one.
    pub(crate) path: Option<String>,
    /// Of each request.
    pub(crate) head_bytes: usize,
    pub(crate) head_headers: usize,
    /// Until the next head is whole.
    pub(crate) head_time: Duration,
}

/// What a connection is served on.
pub(crate) trait Host {
    /// A request is at work for as long as the result is kept.
    fn busy(&self) -> Box<dyn Any>;
    /// Whether the peer has not taken all of what it was answered.
    fn is_sending(&self) -> bool;
    fn sleep(&self, time: Duration) -> BoxedFuture<()>;
    /// Waits until the server is being drained.
    fn draining(&self) -> BoxedFuture<()>;
}

/// The bytes of a connection.
pub(crate) trait Wire: hyper::rt::Read + hyper::rt::Write + Unpin {}

/// One connection.
pub(crate) struct Connection {
    pub(crate) wire: Box<dyn Wire>,
    pub(crate) host: Rc<dyn Host>,
    pub(crate) peer: Address,
    /// Whether answers have a date, which differs from run to run.
    pub(crate) has_date: bool,
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    InOrder,
    /// The next head did not come in time.
    Quiet,
}

trait Serve: Send + Sync {
    fn serve(self: Arc<Self>, connection: Connection, limits: Limits) -> BoxedFuture<hyper::Result<Ended>>;
}

impl Http {
    pub(crate) fn new<S, B>(service: S) -> Http
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
        S::Error: Into<BoxedError>,
        B: Body + 'static,
        B::Error: Into<BoxedError>,
    {
        Http(Arc::new(Boxed { service, body: PhantomData }))
    }

    /// Serves the requests of a connection, one after the other, until it ends.
    pub(crate) fn serve(&self, connection: Connection, limits: Limits) -> BoxedFuture<hyper::Result<Ended>> {
        Arc::clone(&self.0).serve(connection, limits)
    }
}

impl PartialEq for Http {
    fn eq(&self, other: &Http) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// A service whose type is forgotten.
struct Boxed<S, B> {
    service: S,
    body: PhantomData<fn(B)>,
}

impl<S, B> Serve for Boxed<S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
    S::Error: Into<BoxedError>,
    B: Body + 'static,
    B::Error: Into<BoxedError>,
{
    fn serve(self: Arc<Self>, connection: Connection, limits: Limits) -> BoxedFuture<hyper::Result<Ended>> {
        Box::pin(serve(self, connection, limits))
    }
}

async fn serve<S, B>(boxed: Arc<Boxed<S, B>>, connection: Connection, limits: Limits) -> hyper::Result<Ended>
where
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<BoxedError>,
    B: Body + 'static,
    B::Error: Into<BoxedError>,
{
    let Connection { wire, host, peer, has_date } = connection;
    let progress = Rc::<Progress>::default();
    let (path, head_bytes) = (limits.path, limits.head_bytes);
    let requests = Requests { boxed, path, head_bytes, peer, host: Rc::clone(&host), progress: Rc::clone(&progress) };
    let mut http = http1::Builder::new();
    // A client may end its stream behind its request.
    http.half_close(true)
        .auto_date_header(has_date)
        .max_buf_size(head_bytes.max(LEAST_HEAD_BYTES))
        .max_headers(limits.head_headers);
    let mut served = pin!(http.serve_connection(wire, requests));
    let mut draining = Some(host.draining());
    let mut quiet: Option<(u64, BoxedFuture<()>)> = None;
    poll_fn(|cx| {
        if draining.as_mut().is_some_and(|draining| draining.as_mut().poll(cx).is_ready()) {
            draining = None;
            served.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(done) = served.as_mut().poll(cx) {
            return Poll::Ready(done.map(|()| Ended::InOrder));
        }
        loop {
            if progress.at_work.get() > 0 {
                quiet = None;
                return Poll::Pending;
            }
            let answered = progress.answered.get();
            if quiet.as_ref().is_none_or(|(since, _)| *since != answered) {
                quiet = Some((answered, host.sleep(limits.head_time)));
            }
            if let Some((_, sleep)) = &mut quiet {
                ready!(sleep.as_mut().poll(cx));
            }
            if !host.is_sending() {
                return Poll::Ready(Ok(Ended::Quiet));
            }
            // A peer that takes its answer slowly has its time when it has taken it.
            quiet = None;
        }
    })
    .await
}

/// How far the requests of a connection are.
#[derive(Default)]
struct Progress {
    at_work: Cell<usize>,
    answered: Cell<u64>,
}

/// A request is being answered for as long as this is there.
struct AtWork {
    progress: Rc<Progress>,
    _busy: Box<dyn Any>,
}

impl AtWork {
    fn new(progress: &Rc<Progress>, host: &dyn Host) -> AtWork {
        progress.at_work.set(progress.at_work.get() + 1);
        AtWork { progress: Rc::clone(progress), _busy: host.busy() }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.progress.at_work.set(self.progress.at_work.get() - 1);
        self.progress.answered.set(self.progress.answered.get() + 1);
    }
}

/// Gives the requests of one connection to the service.
struct Requests<S, B> {
    boxed: Arc<Boxed<S, B>>,
    path: Option<String>,
    head_bytes: usize,
    peer: Address,
    host: Rc<dyn Host>,
    progress: Rc<Progress>,
}

impl<S, B> Service<Request<Incoming>> for Requests<S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    B: Body + 'static,
{
    type Response = Response<Answer<B>>;
    type Error = S::Error;
    type Future = BoxedFuture<Result<Self::Response, S::Error>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let at_work = AtWork::new(&self.progress, &*self.host);
        if let Some(status) = self.refusal(&request) {
            let mut response = Response::new(Answer { body: None, _at_work: at_work });
            *response.status_mut() = status;
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return Box::pin(std::future::ready(Ok(response)));
        }
        request.extensions_mut().insert(self.peer.clone());
        let boxed = Arc::clone(&self.boxed);
        Box::pin(async move {
            let response = boxed.service.call(request).await?;
            Ok(response.map(|body| Answer { body: Some(Box::pin(body)), _at_work: at_work }))
        })
    }
}

impl<S, B> Requests<S, B> {
    /// The status of a request that is not for the service. It is not the first of its connection.
    fn refusal(&self, request: &Request<Incoming>) -> Option<StatusCode> {
        if head_len(request) > self.head_bytes {
            // hyper notices those that do not come at once.
            Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        } else if asks_for_websocket(request.headers()) {
            Some(StatusCode::MISDIRECTED_REQUEST)
        } else if self.path.as_deref() == Some(request.uri().path()) {
            Some(StatusCode::UPGRADE_REQUIRED)
        } else {
            None
        }
    }
}

/// The bytes of a request's head, as most clients write it.
fn head_len<B>(request: &Request<B>) -> usize {
    const REST_OF_LINE: usize = "  HTTP/1.1\r\n".len();
    const REST_OF_HEADER: usize = ": \r\n".len();
    let target = request.uri().path_and_query().map_or(1, |target| target.as_str().len());
    let headers = request.headers().iter();
    let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + REST_OF_HEADER).sum();
    request.method().as_str().len() + target + REST_OF_LINE + headers + "\r\n".len()
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let values = headers.get_all(UPGRADE).into_iter();
    let mut entries = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    entries.any(|entry| entry.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// The body of an answer, which is empty if it is not the service's.
struct Answer<B> {
    body: Option<Pin<Box<B>>>,
    _at_work: AtWork,
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Answer<B>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| body.as_mut().poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), |body| body.size_hint())
    }
}
