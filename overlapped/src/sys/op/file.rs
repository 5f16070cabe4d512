//! A range of a file that is being sent: which piece of it is next, and the piece that was read.
//!
//! A file is sent in pieces: one is read into memory that the operation owns, and sent like any
//! other bytes, before the next one is read. On Windows the system reads and sends a piece by
//! itself (`TransmitFile`).
//!
//! Unix systems have calls that save the copy (`sendfile`, `splice`), but none that a library can
//! use. They raise `SIGPIPE` when the peer has gone, and have no flag against it. They wait or not
//! as the open socket says, which other processes may share. And io_uring gives each splice a
//! thread, which a slow peer holds.

use std::fs::File;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::buf::AnyBuf;
use crate::error::{Action, Error, ErrorKind};
use crate::id::SocketId;

use super::{Failure, More, Op, OpKind, Owned};

/// The most bytes that are read at once, and so the memory of an operation.
const PIECE_BYTES: u64 = 128 * 1024;

/// The total of a file that has not been looked at.
const UNKNOWN: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct FileSend {
    file: Arc<File>,
    /// The range. `None` is the end of the file when its turn comes.
    start: u64,
    end: Option<u64>,
    /// Memory for a piece. It is made when the first one is read.
    piece: Box<[u8]>,
    /// How many bytes of the range come before the piece, and how many are in it.
    before: u64,
    filled: usize,
}

/// What is to be done next.
pub(in crate::sys) enum Step<'a> {
    /// A piece of the file, at this offset, is to be read into this memory.
    Read { file: &'a File, offset: u64, room: &'a mut [u8] },
    /// What was read is to be sent.
    Send(&'a [u8]),
}

impl FileSend {
    fn new(file: Arc<File>, range: &impl RangeBounds<u64>) -> FileSend {
        let start = match range.start_bound() {
            Bound::Included(at) => *at,
            Bound::Excluded(at) => at.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(at) => Some(at.saturating_add(1)),
            Bound::Excluded(at) => Some(*at),
            Bound::Unbounded => None,
        };
        FileSend { file, start, end, piece: Box::default(), before: 0, filled: 0 }
    }

    /// What is wrong with the range, whatever the file.
    pub(super) fn fault(&self) -> Option<&'static str> {
        self.end.is_some_and(|end| end < self.start).then_some("the range of the file ends before it begins")
    }

    /// How many bytes there are to send. Asks the system about the file.
    fn look(&self) -> Result<u64, Error> {
        let refused = |kind| Error::new(Action::Send, kind);
        let Some(metadata) = self.file.metadata().ok().filter(std::fs::Metadata::is_file) else {
            let why = "it is not a regular file; read it and send what you read";
            return Err(refused(ErrorKind::InvalidArgument).because(why));
        };
        // This reads nothing. It fails if the file cannot be read.
        if let Err(error) = read_at(&self.file, &mut [], self.start) {
            let why = "the file was not opened for reading";
            return Err(Error::io(Action::Send, &error).meaning(ErrorKind::NotPermitted).because(why));
        }
        match (self.end, metadata.len()) {
            (Some(end), len) if end > len => {
                let why = format!("the file has {len} bytes, and was to be sent up to byte {end}");
                Err(refused(ErrorKind::EndOfFile).because(why))
            }
            (end, len) => Ok(end.unwrap_or(len).saturating_sub(self.start)),
        }
    }

    /// The next step of an operation that has sent `progress` bytes of `total`, which is more.
    fn step(&mut self, progress: u64, total: u64) -> Step<'_> {
        let sent = (progress - self.before) as usize;
        if sent < self.filled {
            return Step::Send(&self.piece[sent..self.filled]);
        }
        (self.before, self.filled) = (progress, 0);
        let bytes = (total - progress).min(PIECE_BYTES) as usize;
        if self.piece.is_empty() {
            self.piece = vec![0; bytes].into();
        }
        Step::Read { file: &self.file, offset: self.start + progress, room: &mut self.piece[..bytes] }
    }

    /// So many bytes of the next piece have been read.
    fn read(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.piece.len());
        self.filled = bytes;
    }

    /// What is to be sent next. If that has to be read first, it is read here.
    fn fill(&mut self, progress: u64, total: u64) -> Result<&[u8], Failure> {
        let read = match self.step(progress, total) {
            Step::Send(_) => None,
            Step::Read { file, offset, room } => Some(loop {
                match read_at(file, room, offset) {
                    Ok(0) => return Err(Failure::FileEnded),
                    Ok(bytes) => break bytes,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // Whatever has no code is not said by the system.
                    Err(error) => return Err(Failure::File(error.raw_os_error().unwrap_or_default())),
                }
            }),
        };
        if let Some(bytes) = read {
            self.read(bytes);
        }
        match self.step(progress, total) {
            Step::Send(bytes) => Ok(bytes),
            Step::Read { .. } => unreachable!("some of the piece was read just now"),
        }
    }

    /// The file, and where in it the next byte is.
    #[cfg(windows)]
    fn at(&self, progress: u64) -> (&File, u64) {
        (&self.file, self.start + progress)
    }
}

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
        self.file_mut().fill(progress, total)
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
    /// [`Outcome::Sent`], and the file comes back as the buffer, in an `Arc<File>`. For what it does
    /// and how it fails see [`Socket::send_file`](crate::Socket::send_file).
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

#[cfg(unix)]
fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, room, offset)
}

#[cfg(windows)]
fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, room, offset)
}
