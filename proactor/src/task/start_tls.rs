//! Starting TLS in a session with a task, which waits for the handshake.

use std::future::poll_fn;
use std::task::Poll;

use super::session::AsyncSession;
use crate::session::start_tls::StartTlsError;
use crate::tls::{Tls, TlsClient};

impl<M: 'static> AsyncSession<M> {
    /// Starts TLS as the server, as [`Session::start_tls`](crate::Session::start_tls) does, and
    /// waits until the handshake is over. If this is dropped, the handshake goes on.
    ///
    /// ```
    /// use proactor::AsyncSession;
    /// use proactor::tls::Tls;
    ///
    /// async fn mail(session: AsyncSession, tls: Tls) -> Result<(), Box<dyn std::error::Error>> {
    ///     session.send("220 ready").await?;
    ///     while session.next().await.is_some_and(|line| &line[..] != b"STARTTLS") {}
    ///     session.send("220 go ahead").await?;
    ///     session.start_tls(&tls).await?;
    ///     while let Some(line) = session.next().await {
    ///         session.send(&line).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`StartTlsError`].
    pub async fn start_tls(&self, tls: &Tls) -> Result<(), StartTlsError> {
        self.session().start_tls(tls)?;
        self.secured().await
    }

    /// Starts TLS as the client, as [`Session::start_tls_to`](crate::Session::start_tls_to) does,
    /// and waits until the handshake is over. If this is dropped, the handshake goes on.
    ///
    /// # Errors
    /// See [`StartTlsError`].
    pub async fn start_tls_to(&self, client: &TlsClient, name: &str) -> Result<(), StartTlsError> {
        self.session().start_tls_to(client, name)?;
        self.secured().await
    }

    async fn secured(&self) -> Result<(), StartTlsError> {
        let link = &*self.inner.link;
        // The end wakes who waits here too.
        let mut place = link.closers.place();
        poll_fn(|cx| {
            if link.reason().is_some() {
                return Poll::Ready(Err(StartTlsError::Failed));
            }
            if self.session().tls().is_some() {
                return Poll::Ready(Ok(()));
            }
            place.register(cx.waker(), None);
            Poll::Pending
        })
        .await
    }
}
