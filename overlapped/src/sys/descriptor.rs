//! What the system calls a socket.

/// The system's name of a socket, borrowed: `BorrowedFd` on Unix, `BorrowedSocket` on Windows.
///
/// It can be given to crates such as `socket2`, and has a number for calls to the system. Options
/// can be read and set, and the system be asked things. Do not read, write, shut down or close by
/// it, nor change whether it blocks: that is its driver's.
#[cfg(unix)]
pub type Descriptor<'a> = std::os::fd::BorrowedFd<'a>;

/// The system's name of a socket, borrowed: `BorrowedFd` on Unix, `BorrowedSocket` on Windows.
///
/// It can be given to crates such as `socket2`, and has a number for calls to the system. Options
/// can be read and set, and the system be asked things. Do not read, write, shut down or close by
/// it, nor change whether it blocks: that is its driver's.
#[cfg(windows)]
pub type Descriptor<'a> = std::os::windows::io::BorrowedSocket<'a>;
