//! Socket addresses: Winsock's numbers of families on the outside, the system's within.
//!
//! The layouts are the same but for the family of IPv6, which is 23.

use std::net::{IpAddr, SocketAddr};

use overlapped::Address;

use crate::error::{WSAEAFNOSUPPORT, WSAEFAULT};

pub(crate) const AF_UNSPEC: i32 = 0;
pub(crate) const AF_UNIX: i32 = 1;
pub(crate) const AF_INET: i32 = 2;
pub(crate) const AF_INET6: i32 = 23;

const UNIX_LEN: usize = size_of::<libc::sockaddr_un>();

/// The system's number of a family.
pub(crate) fn system_family(family: i32) -> Option<i32> {
    match family {
        AF_UNSPEC => Some(libc::AF_UNSPEC),
        AF_UNIX => Some(libc::AF_UNIX),
        AF_INET => Some(libc::AF_INET),
        AF_INET6 => Some(libc::AF_INET6),
        _ => None,
    }
}

/// Winsock's number of a family of the system's.
pub(crate) fn windows_family(family: i32) -> i32 {
    if family == libc::AF_INET6 { AF_INET6 } else { family }
}

/// An address in the system's form.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl Default for Name {
    fn default() -> Name {
        // SAFETY: an address of no family is all zeros.
        Name { storage: unsafe { std::mem::zeroed() }, len: 0 }
    }
}

impl Name {
    /// Reads the program's address.
    ///
    /// # Errors
    /// `WSAEFAULT` if there is none or it is too short; `WSAEAFNOSUPPORT`.
    ///
    /// # Safety
    /// `ptr` is null, or `len` bytes can be read there.
    pub(crate) unsafe fn read(ptr: *const u8, len: i32) -> Result<Name, u32> {
        let len = usize::try_from(len).map_err(|_| WSAEFAULT)?;
        if ptr.is_null() || len < 2 {
            return Err(WSAEFAULT);
        }
        // SAFETY: there are at least two bytes.
        let family = i32::from(unsafe { ptr.cast::<u16>().read_unaligned() });
        let size = match family {
            AF_INET => size_of::<libc::sockaddr_in>(),
            AF_INET6 => size_of::<libc::sockaddr_in6>(),
            AF_UNIX => len.min(UNIX_LEN),
            AF_UNSPEC => len.min(16),
            _ => return Err(WSAEAFNOSUPPORT),
        };
        if len < size {
            return Err(WSAEFAULT);
        }
        let mut name = Name { len: size as libc::socklen_t, ..Name::default() };
        // SAFETY: there are `size` bytes, and room for so many.
        unsafe { std::ptr::copy_nonoverlapping(ptr, (&raw mut name.storage).cast(), size) };
        name.storage.ss_family = system_family(family).unwrap_or(0) as libc::sa_family_t;
        if family == AF_UNIX {
            // A path may end with a zero before the structure does.
            let path = &name.bytes()[2..];
            let end = path.iter().position(|byte| *byte == 0).map_or(path.len(), |end| end + 1);
            name.len = (2 + end) as libc::socklen_t;
        }
        Ok(name)
    }

    /// Writes it as the program knows it, with its length. `false` if there is not enough room;
    /// then the length that is needed is written, and as much of the address as there is room for.
    ///
    /// # Safety
    /// `len` is null or can be read and written; `ptr` is null, or `*len` bytes can be written
    /// there.
    pub(crate) unsafe fn write(&self, ptr: *mut u8, len: *mut i32) -> bool {
        if ptr.is_null() || len.is_null() {
            return false;
        }
        let mut name = *self;
        name.storage.ss_family = windows_family(i32::from(self.storage.ss_family)) as libc::sa_family_t;
        // SAFETY: the length can be read and written, and so many bytes be written.
        unsafe {
            let room = usize::try_from(*len).unwrap_or(0);
            std::ptr::copy_nonoverlapping((&raw const name.storage).cast(), ptr, room.min(self.len as usize));
            *len = self.len as i32;
            room >= self.len as usize
        }
    }

    /// Has a system call write it.
    pub(crate) fn filled(fill: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> i32) -> Result<Name, i32> {
        let mut name = Name { len: size_of::<libc::sockaddr_storage>() as libc::socklen_t, ..Name::default() };
        match fill((&raw mut name.storage).cast(), &raw mut name.len) {
            -1 => Err(crate::error::system::errno()),
            _ => Ok(name),
        }
    }

    pub(crate) fn local(fd: i32) -> Result<Name, i32> {
        // SAFETY: it writes at most as many bytes as there is room for.
        Name::filled(|ptr, len| unsafe { libc::getsockname(fd, ptr, len) })
    }

    pub(crate) fn peer(fd: i32) -> Result<Name, i32> {
        // SAFETY: it writes at most as many bytes as there is room for.
        Name::filled(|ptr, len| unsafe { libc::getpeername(fd, ptr, len) })
    }

    pub(crate) fn any(family: i32) -> Name {
        let mut name = Name::default();
        name.storage.ss_family = family as libc::sa_family_t;
        name.len = match family {
            libc::AF_INET => size_of::<libc::sockaddr_in>(),
            libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
            _ => 2,
        } as libc::socklen_t;
        name
    }

    pub(crate) fn ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(crate) fn mut_ptr(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }

    pub(crate) fn len(&self) -> libc::socklen_t {
        self.len
    }

    pub(crate) fn set_len(&mut self, len: libc::socklen_t) {
        self.len = len.min(size_of::<libc::sockaddr_storage>() as libc::socklen_t);
    }

    /// The system's family.
    pub(crate) fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the storage is plain bytes, `len` of them at most.
        unsafe { std::slice::from_raw_parts((&raw const self.storage).cast(), self.len as usize) }
    }

    pub(crate) fn port(&self) -> u16 {
        match self.family() {
            libc::AF_INET | libc::AF_INET6 => u16::from_be_bytes([self.bytes()[2], self.bytes()[3]]),
            _ => 0,
        }
    }

    pub(crate) fn ip(&self) -> Option<IpAddr> {
        let bytes = self.bytes();
        match self.family() {
            libc::AF_INET => Some(IpAddr::from(<[u8; 4]>::try_from(&bytes[4..8]).ok()?)),
            libc::AF_INET6 => Some(IpAddr::from(<[u8; 16]>::try_from(&bytes[8..24]).ok()?)),
            _ => None,
        }
    }

    pub(crate) fn scope(&self) -> u32 {
        match self.family() {
            libc::AF_INET6 => u32::from_ne_bytes(self.bytes()[24..28].try_into().unwrap_or_default()),
            _ => 0,
        }
    }

    /// Whether it says "no address of mine in particular".
    pub(crate) fn is_any(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    /// The same port of this machine, for an address that is none in particular: connecting to
    /// that works on Linux, and not on Windows.
    pub(crate) fn to_address(self) -> Option<Address> {
        match self.family() {
            libc::AF_UNIX => {
                use std::os::unix::ffi::OsStrExt;
                let path = self.bytes().get(2..)?;
                let path = path.split(|byte| *byte == 0).next()?;
                Some(Address::Unix(std::ffi::OsStr::from_bytes(path).into()))
            }
            _ => {
                let mut address = SocketAddr::new(self.ip()?, self.port());
                if let SocketAddr::V6(address) = &mut address {
                    address.set_scope_id(self.scope());
                }
                Some(Address::from(address))
            }
        }
    }

    pub(crate) fn of(address: SocketAddr) -> Name {
        let mut name = Name::any(if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 });
        let start = name.mut_ptr().cast::<u8>();
        let (port, scope) = (
            address.port().to_be_bytes(),
            match address {
                SocketAddr::V6(address) => address.scope_id(),
                SocketAddr::V4(_) => 0,
            },
        );
        // SAFETY: all of these lie within the storage.
        unsafe {
            std::ptr::copy_nonoverlapping(port.as_ptr(), start.add(2), 2);
            match address.ip() {
                IpAddr::V4(ip) => std::ptr::copy_nonoverlapping(ip.octets().as_ptr(), start.add(4), 4),
                IpAddr::V6(ip) => {
                    std::ptr::copy_nonoverlapping(ip.octets().as_ptr(), start.add(8), 16);
                    std::ptr::copy_nonoverlapping(scope.to_ne_bytes().as_ptr(), start.add(24), 4);
                }
            }
        }
        name
    }
}
