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

use crate::error::{Action, Error, ErrorKind};

/// The most bytes that are read at once, and so the memory of an operation.
const PIECE_BYTES: u64 = 128 * 1024;

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
pub(super) enum Step<'a> {
    /// A piece of the file, at this offset, is to be read into this memory.
    Read { file: &'a File, offset: u64, room: &'a mut [u8] },
    /// What was read is to be sent.
    Send(&'a [u8]),
}

/// Why there is no next piece.
pub(super) enum NotRead {
    /// The file has become shorter.
    Ended,
    /// The system's code.
    Failed(i32),
}

impl FileSend {
    pub(super) fn new(file: Arc<File>, range: &impl RangeBounds<u64>) -> FileSend {
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
    pub(super) fn look(&self) -> Result<u64, Error> {
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
    pub(super) fn step(&mut self, progress: u64, total: u64) -> Step<'_> {
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
    pub(super) fn read(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.piece.len());
        self.filled = bytes;
    }

    /// What is to be sent next. If that has to be read first, it is read here.
    pub(super) fn fill(&mut self, progress: u64, total: u64) -> Result<&[u8], NotRead> {
        let read = match self.step(progress, total) {
            Step::Send(_) => None,
            Step::Read { file, offset, room } => Some(loop {
                match read_at(file, room, offset) {
                    Ok(0) => return Err(NotRead::Ended),
                    Ok(bytes) => break bytes,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // Whatever has no code is not said by the system.
                    Err(error) => return Err(NotRead::Failed(error.raw_os_error().unwrap_or_default())),
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
    pub(super) fn at(&self, progress: u64) -> (&File, u64) {
        (&self.file, self.start + progress)
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
