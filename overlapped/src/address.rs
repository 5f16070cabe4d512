//! Addresses of sockets: an IP address and port, or a path of the file system.

use std::convert::Infallible;
use std::fmt::{self, Write};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a socket is, or its peer.
///
/// Written as `127.0.0.1:7777`, `[::1]:7777`, or `unix:/run/server.sock`. Functions that want an
/// address also take such a text, or a pair: see [`IntoAddress`].
///
/// ```
/// # use overlapped::Address;
/// let address: Address = "unix:/run/server.sock".parse().unwrap();
/// assert_eq!(address.path(), Some("/run/server.sock".as_ref()));
/// let address: Address = "[::1]:7777".parse().unwrap();
/// assert_eq!(address.ip().unwrap().port(), 7777);
/// assert_eq!(address.to_string(), "[::1]:7777");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A path of the file system (`AF_UNIX`).
    Unix(PathBuf),
    /// A Unix socket that is bound to nothing, as a connecting one usually is.
    Unnamed,
}

impl Address {
    /// The IP address and port, if it is one.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            _ => None,
        }
    }

    /// The path, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Unix(path) => Some(path),
            _ => None,
        }
    }
}

/// The most bytes of a path that the system's address has room for, before a zero.
#[cfg(unix)]
const MOST_PATH_BYTES: usize = size_of::<libc::sockaddr_un>() - std::mem::offset_of!(libc::sockaddr_un, sun_path) - 1;
/// There are no Unix sockets.
#[cfg(not(unix))]
const MOST_PATH_BYTES: usize = usize::MAX;

impl Address {
    /// Why nothing can be bound or connected to it, if that is so.
    pub(crate) fn fault(&self) -> Option<String> {
        let bytes = match self {
            Address::Ip(_) => return None,
            Address::Unnamed => return Some("an unnamed socket cannot be listened on or connected to".to_owned()),
            Address::Unix(path) => path.as_os_str().as_encoded_bytes(),
        };
        match bytes {
            [] => Some("the path is empty".to_owned()),
            [0, ..] => Some("abstract names are not supported: use a path of the file system".to_owned()),
            _ if bytes.contains(&0) => Some("the path has a zero byte in it".to_owned()),
            _ if bytes.len() > MOST_PATH_BYTES => {
                Some(format!("a path of {} bytes: a Unix socket's has at most {MOST_PATH_BYTES}", bytes.len()))
            }
            _ => None,
        }
    }

    /// What the system's "invalid argument" means, of an address that can be used on one link only.
    pub(crate) fn lacks_scope(&self) -> Option<&'static str> {
        match self {
            Address::Ip(SocketAddr::V6(address)) if address.ip().is_unicast_link_local() && address.scope_id() == 0 => {
                Some("a link-local address needs the number of its interface, as in [fe80::1%2]:7777")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(path) => {
                f.write_str("unix:")?;
                // A terminal or a log is not to be told what to do.
                path.to_string_lossy().chars().try_for_each(|sign| match sign {
                    '\0' => f.write_str("\\0"),
                    sign if sign.is_control() => write!(f, "{}", sign.escape_default()),
                    sign => f.write_char(sign),
                })
            }
            Address::Unnamed => f.write_str("unix:(unnamed)"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What can be given where an address is wanted: to listen, to bind, to connect, to send.
///
/// | given | example |
/// |---|---|
/// | an [`Address`], or a reference to one | `socket.local_addr()?` |
/// | an address of the standard library | `SocketAddr`, `&SocketAddr`, `SocketAddrV4` |
/// | a text (`&str`, `String`) | `"127.0.0.1:80"`, `"[::1]:80"`, `"unix:/run/server.sock"` |
/// | a pair of an IP address and a port | `(Ipv4Addr::LOCALHOST, 80)`, `([127, 0, 0, 1], 80)` |
/// | a pair of a text and a port | `("127.0.0.1", 80)`, `("::1", 80)` |
/// | a path | `Path::new("/run/server.sock")` |
///
/// The scope of an IPv6 address is a number: `[fe80::1%2]:80`. A host name is refused, because a
/// lookup may take seconds: look it up first, for example with [`ToSocketAddrs`].
///
/// It is implemented for everything that is [`TryInto<Address>`], so an own type needs a `From` or
/// a `TryFrom` only.
///
/// ```
/// use overlapped::address::{Address, IntoAddress};
///
/// assert_eq!(("127.0.0.1", 80).into_address()?, "127.0.0.1:80".into_address()?);
/// let error = "example.org:80".into_address().unwrap_err();
/// assert!(error.to_string().contains("a host name"));
/// # Ok::<(), overlapped::address::AddressError>(())
/// ```
pub trait IntoAddress {
    /// The address.
    ///
    /// # Errors
    /// If a text is not an address. The error names the text.
    fn into_address(self) -> Result<Address, AddressError>;
}

impl<A: TryInto<Address, Error: Into<AddressError>>> IntoAddress for A {
    fn into_address(self) -> Result<Address, AddressError> {
        self.try_into().map_err(Into::into)
    }
}

/// A text that is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError(String);

impl AddressError {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is wrong with the text, if it is nearly an address; empty otherwise.
    pub fn fault(&self) -> &'static str {
        let text = self.0.as_str();
        let is_v6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
        match text.rsplit_once(':') {
            _ if text.parse::<Ipv4Addr>().is_ok() => "the port is missing",
            _ if is_v6(text) => "the port is missing, and an IPv6 address before it needs brackets",
            _ if text.starts_with('/') || text.starts_with("./") => "a path begins with unix:",
            _ if text == "unix:" => "the path is missing",
            _ if text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).is_some_and(is_v6) => {
                "the port is missing"
            }
            Some(("" | "*", _)) => "the IP address is missing; 0.0.0.0 or [::] stand for all",
            Some((ip, _)) if is_v6(ip) => "an IPv6 address needs brackets",
            Some((ip, port)) if ip.parse::<Ipv4Addr>().is_ok() || ip.starts_with('[') => match port.parse::<u16>() {
                Ok(_) => "it is no IP address",
                Err(_) => "the port is not a number up to 65535",
            },
            Some((_, port)) if port.parse::<u16>().is_ok() => "names are not looked up here: it takes an IP address",
            _ => "",
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, fault) = (&self.0, self.fault());
        if is_host_name(text) {
            let hint = "names are not looked up here";
            return write!(
                f,
                "'{text}' is not an address but a host name: look it up first (`ToSocketAddrs` of std does); {hint}"
            );
        }
        write!(f, "'{text}' is not an address: ")?;
        if !fault.is_empty() {
            write!(f, "{fault}; ")?;
        }
        f.write_str("write it as 127.0.0.1:7777, [::1]:7777 or unix:/run/server.sock")
    }
}

/// Whether a text that is not an address may name a host: letters, digits, dots and hyphens, and
/// perhaps a port.
fn is_host_name(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    port.parse::<u16>().is_ok()
        && name.strip_suffix('.').unwrap_or(name).split('.').all(is_label)
        && (name.ends_with('.') || last.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

impl std::error::Error for AddressError {}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Address, AddressError> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Address::Unix(path.into())),
            _ => text.parse().map(Address::Ip).map_err(|_| AddressError(text.to_owned())),
        }
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;
    fn try_from(text: &str) -> Result<Address, AddressError> {
        text.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Address, AddressError> {
        text.parse()
    }
}

impl TryFrom<&String> for Address {
    type Error = AddressError;
    fn try_from(text: &String) -> Result<Address, AddressError> {
        text.parse()
    }
}

/// The text of an IP address, and a port.
impl TryFrom<(&str, u16)> for Address {
    type Error = AddressError;
    fn try_from((ip, port): (&str, u16)) -> Result<Address, AddressError> {
        let (bare, is_v6) = match ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')) {
            Some(bare) => (bare, true),
            None => (ip, ip.contains(':')),
        };
        // The whole text is parsed, for the scope of an IPv6 address.
        let text = if is_v6 { format!("[{bare}]:{port}") } else { format!("{ip}:{port}") };
        text.parse().map(Address::Ip).map_err(|_| AddressError(format!("{ip}:{port}")))
    }
}

impl TryFrom<(String, u16)> for Address {
    type Error = AddressError;
    fn try_from((ip, port): (String, u16)) -> Result<Address, AddressError> {
        (ip.as_str(), port).try_into()
    }
}

macro_rules! from_pairs {
    ($($ip:ty),*) => {
        $(impl From<($ip, u16)> for Address {
            fn from((ip, port): ($ip, u16)) -> Address {
                Address::Ip(SocketAddr::new(ip.into(), port))
            }
        })*
    };
}

from_pairs!(IpAddr, Ipv4Addr, Ipv6Addr, [u8; 4], [u16; 8]);

impl From<&SocketAddr> for Address {
    fn from(address: &SocketAddr) -> Address {
        Address::Ip(*address)
    }
}

impl From<Infallible> for AddressError {
    fn from(never: Infallible) -> AddressError {
        match never {}
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

impl From<SocketAddrV4> for Address {
    fn from(address: SocketAddrV4) -> Address {
        Address::Ip(address.into())
    }
}

impl From<SocketAddrV6> for Address {
    fn from(address: SocketAddrV6) -> Address {
        Address::Ip(address.into())
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Address {
        Address::Unix(path.to_owned())
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Address {
        Address::Unix(path)
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Address {
        address.clone()
    }
}

impl PartialEq<SocketAddr> for Address {
    fn eq(&self, other: &SocketAddr) -> bool {
        self.ip() == Some(*other)
    }
}

impl PartialEq<Address> for SocketAddr {
    fn eq(&self, other: &Address) -> bool {
        other == self
    }
}

impl ToSocketAddrs for Address {
    type Iter = std::option::IntoIter<SocketAddr>;
    /// So that the standard library can connect to it. An error if it is not an IP address.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        match self.ip() {
            Some(address) => Ok(Some(address).into_iter()),
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{self} is not an IP address"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_text_that_is_not_an_address() {
        for text in ["", "unix:", "localhost", "127.0.0.1", "1.2.3.4:70000"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("'{text}' is not an address")), "{error}");
        }
    }

    #[test]
    fn an_error_says_what_is_missing() {
        for (text, fault) in [
            ("127.0.0.1", "the port is missing"),
            ("::1", "the port is missing"),
            ("[::1]", "the port is missing"),
            ("fe80::1:70000", "needs brackets"),
            ("1.2.3.4:70000", "not a number up to 65535"),
            ("1.2.3.4:http", "not a number up to 65535"),
            ("[::g]:80", "no IP address"),
            (":80", "0.0.0.0 or [::]"),
            ("*:80", "0.0.0.0 or [::]"),
            ("localhost:80", "names are not looked up"),
            ("unix:", "the path is missing"),
            ("/run/server.sock", "begins with unix:"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
    }

    #[test]
    fn a_host_name_is_refused_with_the_hint_to_look_it_up() {
        for text in ["localhost", "localhost:80", "example.org:80", "example.org.:80", "a-b.c1:0"] {
            let error = text.into_address().unwrap_err();
            assert!(error.to_string().contains("a host name: look it up first"), "{error}");
        }
        assert!(("localhost", 80).into_address().unwrap_err().to_string().contains("'localhost:80'"));
        for text in ["1.2.3.4:70000", "1.2.3:80", "a b:80", "a..b:80", "unix:", "x:y", ""] {
            let error = text.into_address().unwrap_err();
            assert!(!error.to_string().contains("host name"), "{error}");
        }
    }

    #[test]
    fn a_path_tells_a_terminal_nothing() {
        let address = Address::Unix("\0a\x1b[2Jb\n".into());
        assert_eq!(address.to_string(), "unix:\\0a\\u{1b}[2Jb\\n");
        assert!(address.fault().unwrap().contains("abstract"));
    }

    #[test]
    fn pairs_texts_and_references_are_addresses() {
        let v4: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let v6: SocketAddr = "[::1]:80".parse().unwrap();
        let all = [
            "127.0.0.1:80".into_address(),
            "127.0.0.1:80".to_owned().into_address(),
            (&"127.0.0.1:80".to_owned()).into_address(),
            ("127.0.0.1", 80).into_address(),
            ("127.0.0.1".to_owned(), 80).into_address(),
            (Ipv4Addr::LOCALHOST, 80).into_address(),
            (IpAddr::from([127, 0, 0, 1]), 80).into_address(),
            ([127, 0, 0, 1], 80).into_address(),
            v4.into_address(),
            (&v4).into_address(),
            (&Address::Ip(v4)).into_address(),
        ];
        for address in all {
            assert_eq!(address.unwrap(), v4);
        }
        let all = [
            ("::1", 80).into_address(),
            ("[::1]", 80).into_address(),
            (Ipv6Addr::LOCALHOST, 80).into_address(),
            ([0, 0, 0, 0, 0, 0, 0, 1], 80).into_address(),
        ];
        for address in all {
            assert_eq!(address.unwrap(), v6);
        }
        let scoped = ("fe80::1%2", 80).into_address().unwrap();
        assert_eq!(scoped, "[fe80::1%2]:80".into_address().unwrap());
        assert!(("127.0.0.1:80", 80).into_address().is_err());
    }
}
