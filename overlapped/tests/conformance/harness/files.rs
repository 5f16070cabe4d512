//! Files for rules that send them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::RangeBounds;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use overlapped::Op;
use overlapped::driver::SocketId;

/// A file that is removed in the end.
pub(crate) struct Temporary {
    pub(crate) path: PathBuf,
    /// Open for reading and writing.
    pub(crate) file: Arc<File>,
}

impl Temporary {
    pub(crate) fn new(bytes: &[u8]) -> Temporary {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("overlapped-file-{}-{number}", std::process::id()));
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        file.write_all(bytes).unwrap();
        Temporary { path, file: Arc::new(file) }
    }

    /// So many zero bytes, which take no room on the disk.
    pub(crate) fn sparse(bytes: usize) -> Temporary {
        let temporary = Temporary::new(b"");
        temporary.file.set_len(bytes as u64).unwrap();
        temporary
    }

    /// Sends a range of the file.
    pub(crate) fn send(&self, to: SocketId, range: impl RangeBounds<u64>) -> Op {
        Op::send_file(to, Arc::clone(&self.file), range)
    }

    /// The same file, by a handle that can only be written to.
    pub(crate) fn for_writing(&self) -> File {
        OpenOptions::new().write(true).open(&self.path).unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // On Windows it is still there while an operation has it.
        let _ = std::fs::remove_file(&self.path);
    }
}
