//! Unix, where a listener can be bound to a path.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};
use crate::sys::process::Process;

/// A path that can be bound to.
pub(in super::super) struct Free(PathBuf);

/// Prepares a path for a listener. A socket that a server has left behind is removed; anything else
/// at the path is an error. `None` for addresses without a path.
pub(in super::super) fn prepare(address: &Address) -> Result<Option<Free>, Error> {
    let Some(path) = address.path() else { return Ok(None) };
    let failed = |error: io::Error| Error::io(Action::Bind, &error).at(address);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(found) if !is_socket(&found) => {
            let why = "something that is not a socket stands at this path";
            return Err(Error::new(Action::Bind, ErrorKind::InUse).at(address).because(why));
        }
        Ok(_) => match ask(path) {
            // Nobody has it: a server that crashed has left it behind.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.raw_os_error() != Some(libc::EPROTOTYPE) => return Err(failed(error)),
            Ok(()) | Err(_) => {
                return Err(Error::new(Action::Bind, ErrorKind::InUse).at(address).because("a server listens there"));
            }
        },
    }
    Ok(Some(Free(path.to_owned())))
}

/// The path that a listener of this process is bound to already.
pub(in super::super) fn of(address: &Address) -> Option<Free> {
    address.path().map(|path| Free(path.to_owned()))
}

fn is_socket(found: &fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&found.file_type())
}

/// Asks the system whether a socket is bound to the path, without the holder's noticing: a datagram
/// socket cannot connect to a stream's, and the error (`EPROTOTYPE`) says that there is one.
fn ask(path: &std::path::Path) -> io::Result<()> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::DGRAM, None)?;
    socket.connect(&socket2::SockAddr::unix(path)?)
}

/// The file of a listener, which its descriptors share. Dropping it removes the file, unless
/// another has taken its place, or this is a forked child of the process that made it.
#[derive(Debug)]
pub(in super::super) struct BoundPath(Box<Bound>);

/// Boxed, because hardly any socket has one.
#[derive(Debug)]
struct Bound {
    path: PathBuf,
    identity: Option<Identity>,
    process: Process,
    left: AtomicBool,
}

impl BoundPath {
    /// The listener has been bound.
    pub(in super::super) fn made(free: Free) -> BoundPath {
        let identity = identity(&free.0);
        let process = Process::this();
        BoundPath(Box::new(Bound { path: free.0, identity, process, left: AtomicBool::new(false) }))
    }

    pub(in super::super) fn is_left(&self) -> bool {
        self.0.left.load(Ordering::Relaxed)
    }

    /// The file stays.
    pub(in super::super) fn leave(&self) {
        self.0.left.store(true, Ordering::Relaxed);
    }

    /// The file is removed at the end after all.
    pub(in super::super) fn reclaim(&self) {
        self.0.left.store(false, Ordering::Relaxed);
    }
}

/// Device and number of the file.
type Identity = (u64, u64);

fn identity(path: &std::path::Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

impl Drop for Bound {
    fn drop(&mut self) {
        let Bound { path, identity: its, process, left } = self;
        if !*left.get_mut() && process.is_this() && its.is_some() && identity(path) == *its {
            let _ = fs::remove_file(path);
        }
    }
}
