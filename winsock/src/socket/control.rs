//! Control messages of `WSARecvMsg` and `WSASendMsg`. Winsock's have the layout of the system's on
//! 64 bits; the numbers differ, and `IN_PKTINFO`.

use crate::abi::WsaBuf;

const HEADER: usize = 16;

const IP_PKTINFO: i32 = 19;
const IP_HOPLIMIT: i32 = 21;
const IP_TOS: i32 = 3;
const IPV6_PKTINFO: i32 = 19;
const IPV6_HOPLIMIT: i32 = 21;
const IPV6_TCLASS: i32 = 39;

fn padded(len: usize) -> usize {
    (len + 7) & !7
}

fn split(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let len = usize::from_ne_bytes(bytes.get(..8)?.try_into().ok()?);
    let level = i32::from_ne_bytes(bytes.get(8..12)?.try_into().ok()?);
    let kind = i32::from_ne_bytes(bytes.get(12..16)?.try_into().ok()?);
    let data = bytes.get(HEADER..len)?;
    Some((level, kind, data, bytes.get(padded(len)..).unwrap_or_default()))
}

fn put(out: &mut Vec<u8>, level: i32, kind: i32, data: &[u8]) {
    out.extend((HEADER + data.len()).to_ne_bytes());
    out.extend(level.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(data);
    out.resize(padded(out.len()), 0);
}

/// Writes the system's messages as Winsock's into the program's buffer, and its length. `false` if
/// there is not enough room for all.
///
/// # Safety
/// The buffer can be written to, as far as it says.
pub(crate) unsafe fn to_windows(mut system: &[u8], buffer: &mut WsaBuf) -> bool {
    let mut out = Vec::new();
    while let Some((level, kind, data, rest)) = split(system) {
        match (level, kind) {
            // The interface, an address of this machine, and where the datagram was sent to.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) if data.len() >= 12 => {
                put(&mut out, libc::IPPROTO_IP, IP_PKTINFO, &[&data[8..12], &data[..4]].concat());
            }
            (libc::IPPROTO_IP, libc::IP_TTL) => put(&mut out, libc::IPPROTO_IP, IP_HOPLIMIT, data),
            (libc::IPPROTO_IP, libc::IP_TOS) => {
                let tos = i32::from(data.first().copied().unwrap_or(0));
                put(&mut out, libc::IPPROTO_IP, IP_TOS, &tos.to_ne_bytes());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => put(&mut out, libc::IPPROTO_IPV6, IPV6_PKTINFO, data),
            (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => put(&mut out, libc::IPPROTO_IPV6, IPV6_HOPLIMIT, data),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => put(&mut out, libc::IPPROTO_IPV6, IPV6_TCLASS, data),
            _ => {}
        }
        system = rest;
    }
    let room = if buffer.buf.is_null() { 0 } else { buffer.len as usize };
    let fits = out.len().min(room);
    // SAFETY: as the caller promises.
    unsafe { std::ptr::copy_nonoverlapping(out.as_ptr(), buffer.buf, fits) };
    buffer.len = fits as u32;
    fits == out.len()
}

/// Winsock's messages as the system's, in words, with their length in bytes. `None` for one that
/// the system has no equal of.
///
/// # Safety
/// The buffer can be read.
pub(crate) unsafe fn to_system(buffer: &WsaBuf) -> Option<(Vec<u64>, usize)> {
    if buffer.buf.is_null() || buffer.len == 0 {
        return Some((Vec::new(), 0));
    }
    // SAFETY: as the caller promises.
    let mut windows = unsafe { std::slice::from_raw_parts(buffer.buf, buffer.len as usize) };
    let mut out = Vec::new();
    while let Some((level, kind, data, rest)) = split(windows) {
        match (level, kind) {
            (libc::IPPROTO_IP, IP_PKTINFO) if data.len() >= 8 => {
                let info = [&data[4..8], &data[..4], &[0; 4]].concat();
                put(&mut out, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            (libc::IPPROTO_IP, IP_HOPLIMIT) => put(&mut out, libc::IPPROTO_IP, libc::IP_TTL, data),
            (libc::IPPROTO_IP, IP_TOS) => put(&mut out, libc::IPPROTO_IP, libc::IP_TOS, data),
            (libc::IPPROTO_IPV6, IPV6_PKTINFO) => put(&mut out, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, data),
            (libc::IPPROTO_IPV6, IPV6_HOPLIMIT) => put(&mut out, libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, data),
            _ => return None,
        }
        windows = rest;
    }
    let len = out.len();
    out.resize(padded(len), 0);
    let words = out.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    Some((words, len))
}
