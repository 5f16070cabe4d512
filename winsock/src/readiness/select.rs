//! `select`, whose sets are arrays of sockets, and `WSAPoll`.

use std::time::{Duration, Instant};

use super::ask::{Asked, Ready, wait};
use crate::abi::{self, SOCKET_ERROR};
use crate::error::{WSAEFAULT, WSAEINVAL, WSAENOTSOCK, fail};
use crate::handles;
use crate::socket::Socket;
use crate::socket::startup::{find, started};

/// The head of an `fd_set`. `FD_SETSIZE` sockets follow; `count` of them are in it.
#[repr(C)]
pub(crate) struct FdSet {
    count: u32,
    first: [abi::Socket; 0],
}

/// More than any program's `FD_SETSIZE`.
const MOST_IN_A_SET: u32 = 1 << 16;

unsafe fn members<'a>(set: *mut FdSet) -> &'a mut [abi::Socket] {
    // SAFETY: the program's set is null or has as many members as it says.
    unsafe {
        match set.is_null() {
            true => &mut [],
            false => {
                let count = (*set).count.min(MOST_IN_A_SET) as usize;
                std::slice::from_raw_parts_mut((&raw mut (*set).first).cast(), count)
            }
        }
    }
}

/// Leaves those members in a set that are ready, and counts them.
unsafe fn keep(set: *mut FdSet, asked: &[Asked], is: impl Fn(&Ready) -> bool) -> i32 {
    // SAFETY: as for `members`.
    let members = unsafe { members(set) };
    let mut kept = 0;
    for at in 0..members.len() {
        if is(&asked[at].is) {
            members[kept] = members[at];
            kept += 1;
        }
    }
    if !set.is_null() {
        // SAFETY: the set is the program's to be written.
        unsafe { (*set).count = kept as u32 };
    }
    kept as i32
}

unsafe fn ask_of(set: *mut FdSet, wanted: Ready, all: &mut Vec<Asked>) -> Result<usize, u32> {
    let first = all.len();
    // SAFETY: as for `members`.
    for s in unsafe { members(set) } {
        let socket = find(*s)?;
        all.push(Asked { socket, wanted, is: Ready::default() });
    }
    Ok(first)
}

unsafe fn select(
    read: *mut FdSet,
    write: *mut FdSet,
    except: *mut FdSet,
    limit: *const libc::timeval,
) -> Result<i32, u32> {
    started()?;
    let until = match limit.is_null() {
        true => None,
        false => {
            // SAFETY: the program's time can be read.
            let limit = unsafe { *limit };
            if limit.tv_sec < 0 || limit.tv_usec < 0 {
                return Err(WSAEINVAL);
            }
            let micros = Duration::from_micros(limit.tv_usec as u64);
            Instant::now().checked_add(Duration::from_secs(limit.tv_sec as u64) + micros)
        }
    };
    let mut all = Vec::new();
    // SAFETY: as for `members`.
    let (reads, writes, excepts) = unsafe {
        (
            ask_of(read, Ready { read: true, ..Ready::default() }, &mut all)?,
            ask_of(write, Ready { write: true, ..Ready::default() }, &mut all)?,
            ask_of(except, Ready { except: true, ..Ready::default() }, &mut all)?,
        )
    };
    if all.is_empty() {
        return Err(WSAEINVAL);
    }
    let is = |asked: &Asked| {
        let (wanted, is) = (asked.wanted, asked.is);
        wanted.read && is.read || wanted.write && is.write || wanted.except && is.except
    };
    wait(&mut all, until, is);
    if all.iter().any(|asked| asked.is.closed) {
        return Err(WSAENOTSOCK);
    }
    // SAFETY: as for `members`.
    unsafe {
        Ok(keep(read, &all[reads..writes], |is| is.read)
            + keep(write, &all[writes..excepts], |is| is.write)
            + keep(except, &all[excepts..], |is| is.except))
    }
}

/// `WSAPOLLFD`
#[repr(C)]
pub(crate) struct PollFd {
    socket: abi::Socket,
    events: i16,
    revents: i16,
}

const POLLERR: i16 = 1;
const POLLHUP: i16 = 2;
const POLLNVAL: i16 = 4;
const POLLWRNORM: i16 = 0x10;
const POLLRDNORM: i16 = 0x100;
const POLLRDBAND: i16 = 0x200;
const POLLPRI: i16 = 0x400;

unsafe fn poll(fds: *mut PollFd, count: u32, milliseconds: i32) -> Result<i32, u32> {
    started()?;
    if count == 0 {
        return Err(WSAEINVAL);
    }
    if fds.is_null() {
        return Err(WSAEFAULT);
    }
    // SAFETY: the program's array has so many entries.
    let fds = unsafe { std::slice::from_raw_parts_mut(fds, count as usize) };
    let mut asked = Vec::new();
    let mut places = Vec::new();
    for (place, fd) in fds.iter_mut().enumerate() {
        fd.revents = 0;
        match handles::get::<Socket>(fd.socket) {
            Some(socket) => {
                let wanted = Ready {
                    read: fd.events & POLLRDNORM != 0,
                    write: fd.events & POLLWRNORM != 0,
                    except: fd.events & (POLLRDBAND | POLLPRI) != 0,
                    ..Ready::default()
                };
                asked.push(Asked { socket, wanted, is: Ready::default() });
                places.push(place);
            }
            None => fd.revents = POLLNVAL,
        }
    }
    let invalid = fds.len() - asked.len();
    if asked.is_empty() {
        return Err(WSAENOTSOCK);
    }
    let until = match milliseconds {
        negative if negative < 0 => None,
        _ if invalid > 0 => Some(Instant::now()),
        some => Some(Instant::now() + Duration::from_millis(some as u64)),
    };
    wait(&mut asked, until, |asked| asked.is.any());
    for (one, place) in asked.iter().zip(places) {
        let (wanted, is) = (fds[place].events, one.is);
        if is.closed {
            fds[place].revents = POLLNVAL;
            continue;
        }
        let only = |is: bool, events: i16| if is { events } else { 0 };
        fds[place].revents = only(is.read && (is.has_bytes || !is.hung_up), wanted & POLLRDNORM)
            | only(is.except && !is.error, wanted & (POLLRDBAND | POLLPRI))
            | only(is.hung_up, POLLHUP)
            | only(is.error, POLLERR)
            | only(is.write || is.error, wanted & POLLWRNORM);
    }
    Ok(fds.iter().filter(|fd| fd.revents & !POLLNVAL != 0).count() as i32)
}

fn count(result: Result<i32, u32>) -> i32 {
    result.unwrap_or_else(|code| fail(code, SOCKET_ERROR))
}

export! {
    fn wsk_select(
        _count: i32, read: *mut FdSet, write: *mut FdSet, except: *mut FdSet, limit: *const libc::timeval,
    ) -> i32, SOCKET_ERROR => {
        count(select(read, write, except, limit))
    }

    fn wsk_WSAPoll(fds: *mut PollFd, count_of: u32, milliseconds: i32) -> i32, SOCKET_ERROR => {
        count(poll(fds, count_of, milliseconds))
    }
}
