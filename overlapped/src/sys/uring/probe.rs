//! Finding out what the kernel can do: by trying it, never by its version.

use io_uring::types::Fd;
use io_uring::{IoUring, Probe, opcode, squeue};

use crate::error::{Action, Error, ErrorKind};
use crate::options::BackendOptions;
use crate::report::{Feature, Report};

pub(super) struct Features {
    /// Requests complete only while the thread is in the kernel.
    pub(super) deferred: bool,
    pub(super) multishot_accept: bool,
    pub(super) multishot_receive: bool,
    /// A multishot receive can be told to stop after so many bytes.
    pub(super) multishot_limit: bool,
    /// Buffers may be filled piece by piece.
    pub(super) pieces: bool,
}

/// Byte offset of `optlen` in `struct io_uring_sqe`: a multishot receive's limit of bytes. The
/// crate has no setter for it.
const OPTLEN_OFFSET: usize = 44;

/// Lets a multishot receive end after so many bytes.
pub(super) fn with_limit(entry: squeue::Entry, bytes: u32) -> squeue::Entry {
    const { assert!(size_of::<squeue::Entry>() == 64) };
    // SAFETY: an entry is the 64 bytes of `struct io_uring_sqe` (`repr(C)`), and any bytes are
    // valid.
    unsafe {
        let mut raw: [u8; 64] = std::mem::transmute(entry);
        raw[OPTLEN_OFFSET..OPTLEN_OFFSET + 4].copy_from_slice(&bytes.to_ne_bytes());
        std::mem::transmute(raw)
    }
}

const NEEDED: [(&str, u8); 9] = [
    ("ACCEPT", opcode::Accept::CODE),
    ("CONNECT", opcode::Connect::CODE),
    ("RECV", opcode::Recv::CODE),
    ("RECVMSG", opcode::RecvMsg::CODE),
    ("SEND", opcode::Send::CODE),
    ("SENDMSG", opcode::SendMsg::CODE),
    ("SHUTDOWN", opcode::Shutdown::CODE),
    ("CLOSE", opcode::Close::CODE),
    ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
];

pub(super) fn probe(ring: &mut IoUring, options: &BackendOptions, report: &mut Report) -> Result<Features, Error> {
    let lacking = |what: &str| {
        let why = format!("this kernel's io_uring lacks {what} (Linux 5.19 or newer is needed)");
        Error::new(Action::Setup, ErrorKind::Unsupported).because(why)
    };
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|_| lacking("the probe of its operations"))?;
    if let Some((name, _)) = NEEDED.iter().find(|(_, code)| !probe.is_supported(*code)) {
        return Err(lacking(name));
    }
    let params = ring.params();
    for (name, there) in [
        ("completions that cannot be lost (NODROP)", params.is_feature_nodrop()),
        ("waiting with a timeout (EXT_ARG)", params.is_feature_ext_arg()),
        ("waiting for sockets without a thread (FAST_POLL)", params.is_feature_fast_poll()),
    ] {
        if !there {
            return Err(lacking(name));
        }
    }
    let mut feature = |name, used, why: &str| {
        report.features.push(Feature { name, used, why: why.to_owned() });
        used
    };
    let multishot_accept = feature(
        "multishot accept",
        knows(ring, opcode::AcceptMulti::new(Fd(-1)).build())?,
        "one request accepts many connections (Linux 5.19)",
    );
    let multishot_receive = feature(
        "multishot receive",
        knows(ring, opcode::RecvMulti::new(Fd(-1), 0).build())?,
        "one request receives many packets (Linux 6.0); without it, each packet needs its own",
    );
    let limit_known = multishot_receive && knows(ring, with_limit(opcode::RecvMulti::new(Fd(-1), 0).build(), 1))?;
    let why = match (limit_known, options.turn_bytes) {
        (true, 0) => "not asked for".to_owned(),
        (true, bytes) => format!("a turn takes at most about {bytes} bytes from one peer (Linux 6.17)"),
        (false, _) => {
            "the kernel does not know it (Linux 6.17); a turn takes at most 32 buffers from one peer".to_owned()
        }
    };
    let multishot_limit = feature("limit of a multishot receive", limit_known && options.turn_bytes > 0, &why);
    // Linux 6.12 has such buffers. Before Linux 6.16 completions could come in another order than
    // the pieces lie, and this is the feature that says that it is newer.
    Ok(Features { deferred: false, multishot_accept, multishot_receive, multishot_limit, pieces: limit_known })
}

/// Whether the kernel knows a request, which names no file: it checks the flags first (`EINVAL`),
/// then the file (`EBADF`).
fn knows(ring: &mut IoUring, entry: squeue::Entry) -> Result<bool, Error> {
    // SAFETY: the request names no file and no memory, so it ends at once.
    let pushed = unsafe { ring.submission().push(&entry) };
    pushed.expect("a new ring is empty");
    loop {
        match ring.submit_and_wait(1) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            Err(error) => return Err(Error::io(Action::Setup, &error)),
        }
        if let Some(completion) = ring.completion().next() {
            return Ok(completion.result() == -libc::EBADF);
        }
    }
}
