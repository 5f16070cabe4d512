//! The session as a stream of bytes, with tokio's traits: protocols written for them run on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{AsyncSession, handover::Handover, link::STREAM};
use crate::error::SendError;
use crate::session::reason::CloseReason;

/// Reads the bytes of the session's packets, without the bounds between them. Use it with the codec
/// [`Raw`](crate::codec::Raw): then they are the bytes of the stream. A read takes what there is;
/// what does not fit into the buffer is kept for the next. The end of the peer's stream is 0 bytes.
/// If the session is closed before that, and not by its own logic, the read fails with
/// `ConnectionReset` or `ConnectionAborted`.
impl<M: 'static> AsyncRead for AsyncSession<M> {
    fn poll_read(self: Pin<&mut AsyncSession<M>>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_fill(cx, buf.remaining(), |bytes| buf.put_slice(bytes))
    }
}

/// Writing waits while half of the outbox is queued, as [`send`](AsyncSession::send) does. There is
/// nothing to flush: what is written leaves at the end of the shard's turn. Shutting down ends [our
/// stream](AsyncSession::shutdown) behind what was written.
impl<M: 'static> AsyncWrite for AsyncSession<M> {
    fn poll_write(self: Pin<&mut AsyncSession<M>>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_queue(cx, buf)
    }

    fn poll_flush(self: Pin<&mut AsyncSession<M>>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut AsyncSession<M>>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shutdown();
        Poll::Ready(Ok(()))
    }
}

impl<M: 'static> AsyncSession<M> {
    /// Puts what there is, at most `room` bytes, and nothing at the end of the stream.
    pub(super) fn poll_fill(&self, cx: &Context<'_>, room: usize, mut put: impl FnMut(&[u8])) -> Poll<io::Result<()>> {
        if room == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut filled = 0;
        while self.inner.read_some(room, |bytes| {
            put(bytes);
            filled = bytes.len();
        }) {
            // An empty packet must not be taken for the end of the stream.
            if filled > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let Handover { link, executor, .. } = &*self.inner;
        Poll::Ready(match link.reason() {
            Some(CloseReason::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
            _ if link.has_peer_ended() => Ok(()),
            None => {
                link.readers.register(&mut Some(STREAM), cx.waker(), executor.current.get());
                return Poll::Pending;
            }
            Some(CloseReason::ByPeer | CloseReason::ByHandler) => Ok(()),
            // Data that was cut short must not be taken for the whole.
            Some(reason) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason.to_string())),
        })
    }

    /// Queues what there is room for, at least one byte.
    pub(super) fn poll_queue(&self, cx: &Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // So much always fits while the outbox is below its high watermark.
        let most = self.session().state().borrow().limits.high();
        let piece = &buf[..buf.len().min(most)];
        match self.inner.send_if_room(piece) {
            Some(Ok(())) => Poll::Ready(Ok(piece.len())),
            Some(Err(error)) => Poll::Ready(Err(self.io_error(error))),
            None => {
                self.inner.link.senders.register(&mut Some(STREAM), cx.waker(), None);
                Poll::Pending
            }
        }
    }

    fn io_error(&self, error: SendError) -> io::Error {
        let kind = match error {
            SendError::Closed if self.inner.link.reason() == Some(CloseReason::Reset) => io::ErrorKind::ConnectionReset,
            SendError::Closed => io::ErrorKind::BrokenPipe,
            SendError::Full => io::ErrorKind::StorageFull,
            SendError::Frame(_) | SendError::TooManyKeys => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
