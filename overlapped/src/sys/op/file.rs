//! An operation that sends a file.

use std::fs::File;
use std::ops::RangeBounds;
use std::sync::Arc;

use crate::buf::AnyBuf;
use crate::error::Error;
use crate::id::SocketId;
#[cfg(target_os = "linux")]
use crate::sys::file::Step;
use crate::sys::file::{FileSend, NotRead};

use super::{Failure, More, Op, OpKind, Owned};

/// The total of a file that has not been looked at.
const UNKNOWN: u64 = u64::MAX;

impl Owned {
    /// The file that it sends.
    fn file_mut(&mut self) -> &mut FileSend {
        match self.more.as_deref_mut() {
            Some(More::File(file)) => file,
            _ => unreachable!("an operation that sends a file owns it"),
        }
    }

    /// Whether the file that it sends has not been looked at.
    pub(crate) fn is_unknown_file(&self) -> bool {
        self.total == UNKNOWN
    }

    /// Looks at the file that it sends. How many bytes there are to send.
    pub(crate) fn look_at_file(&mut self) -> Result<u64, Error> {
        self.total = self.file_mut().look()?;
        Ok(self.total)
    }

    /// What is to be done next with the file that it sends.
    #[cfg(target_os = "linux")]
    pub(in crate::sys) fn file_step(&mut self) -> Step<'_> {
        let (progress, total) = (self.progress, self.total);
        self.file_mut().step(progress, total)
    }

    /// What is to be sent next of the file. If that has to be read first, it is read here.
    pub(in crate::sys) fn fill_from_file(&mut self) -> Result<&[u8], Failure> {
        let (progress, total) = (self.progress, self.total);
        self.file_mut().fill(progress, total).map_err(|why| match why {
            NotRead::Ended => Failure::FileEnded,
            NotRead::Failed(code) => Failure::File(code),
        })
    }

    /// The file that it sends, where in it the next byte is, and how many there are.
    #[cfg(windows)]
    pub(in crate::sys) fn file_at(&mut self) -> (&File, u64, u64) {
        let (progress, total) = (self.progress, self.total);
        let (file, offset) = self.file_mut().at(progress);
        (file, offset, total - progress)
    }

    /// So many bytes of the next piece of the file have been read.
    pub(crate) fn file_read(&mut self, bytes: usize) {
        self.file_mut().read(bytes);
    }
}

impl Op {
    /// Sends a range of a file: `Op::send_file(socket, file, 0..)` all of it. Ends with
    /// [`Outcome::Sent`](crate::Outcome::Sent), and the file comes back as the buffer, in an
    /// `Arc<File>`. For what it does and how it fails see
    /// [`Socket::send_file`](crate::Socket::send_file).
    ///
    /// ```
    /// # use overlapped::{Driver, DriverConfig, Op, Outcome};
    /// # use overlapped::driver::Wait;
    /// # use std::{fs::File, sync::Arc};
    /// # let mut driver = Driver::new(DriverConfig::new())?;
    /// # let path = std::env::temp_dir().join(format!("overlapped-op-{}", std::process::id()));
    /// # std::fs::write(&path, "0123456789").unwrap();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    /// # let socket = driver.adopt(listener.accept().unwrap().0.into())?;
    /// let file = File::open(&path).unwrap();
    /// driver.submit(Op::send_file(socket, file, 2..6), 1)?;
    /// let ended = loop {
    ///     driver.turn(Wait::Forever)?;
    ///     if let Some(completion) = driver.next() {
    ///         break completion;
    ///     }
    /// };
    /// assert!(matches!(ended.result, Ok(Outcome::Sent(4))));
    /// let file: Arc<File> = ended.buf.unwrap().take().unwrap();
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn send_file(socket: SocketId, file: impl Into<Arc<File>>, range: impl RangeBounds<u64>) -> Op {
        let file = file.into();
        let more = More::File(FileSend::new(Arc::clone(&file), &range));
        let buf = Some(AnyBuf::to_keep(file));
        let owned = Owned { buf, total: UNKNOWN, more: Some(Box::new(more)), ..Owned::default() };
        Op { owned, ..Op::new(OpKind::SendFile, socket) }
    }
}
