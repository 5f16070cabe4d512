//! `GetAdaptersInfo`: the adapters that have an IPv4 address, without the loopback, as there.

use std::collections::BTreeMap;
use std::ffi::CStr;

/// `IP_ADDR_STRING`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct AddressString {
    next: *mut AddressString,
    address: [u8; 16],
    mask: [u8; 16],
    context: u32,
}

/// `IP_ADAPTER_INFO`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct AdapterInfo {
    next: *mut AdapterInfo,
    combo_index: u32,
    name: [u8; 260],
    description: [u8; 132],
    hardware_length: u32,
    hardware: [u8; 8],
    index: u32,
    kind: u32,
    dhcp: u32,
    current: *mut AddressString,
    addresses: AddressString,
    gateways: AddressString,
    dhcp_server: AddressString,
    have_wins: i32,
    first_wins: AddressString,
    second_wins: AddressString,
    obtained: i64,
    expires: i64,
}

const ETHERNET: u32 = 6;
const ERROR_BUFFER_OVERFLOW: u32 = 111;
const ERROR_INVALID_PARAMETER: u32 = 87;
const ERROR_NO_DATA: u32 = 232;

struct Adapter {
    hardware: [u8; 6],
    address: Option<([u8; 4], [u8; 4])>,
}

/// # Safety
/// `address` is a socket address of the kernel, or null.
unsafe fn ipv4(address: *const libc::sockaddr) -> Option<[u8; 4]> {
    // SAFETY: read as what its family says.
    unsafe {
        if address.is_null() || i32::from((*address).sa_family) != libc::AF_INET {
            return None;
        }
        Some((*address.cast::<libc::sockaddr_in>()).sin_addr.s_addr.to_ne_bytes())
    }
}

fn adapters() -> BTreeMap<String, Adapter> {
    let mut found: BTreeMap<String, Adapter> = BTreeMap::new();
    let mut list = std::ptr::null_mut();
    // SAFETY: the list is the kernel's until it is freed below.
    unsafe {
        if libc::getifaddrs(&mut list) != 0 {
            return found;
        }
        let mut at = list;
        while !at.is_null() {
            let entry = &*at;
            at = entry.ifa_next;
            if entry.ifa_flags & libc::IFF_LOOPBACK as u32 != 0 || entry.ifa_addr.is_null() {
                continue;
            }
            let name = CStr::from_ptr(entry.ifa_name).to_string_lossy().into_owned();
            let adapter = found.entry(name).or_insert(Adapter { hardware: [0; 6], address: None });
            if let Some(address) = ipv4(entry.ifa_addr) {
                adapter.address.get_or_insert((address, ipv4(entry.ifa_netmask).unwrap_or([0; 4])));
            } else if i32::from((*entry.ifa_addr).sa_family) == libc::AF_PACKET {
                let link = &*entry.ifa_addr.cast::<libc::sockaddr_ll>();
                adapter.hardware.copy_from_slice(&link.sll_addr[..6]);
            }
        }
        libc::freeifaddrs(list);
    }
    found.retain(|_, adapter| adapter.address.is_some());
    found
}

fn fixed<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let count = text.len().min(N - 1);
    bytes[..count].copy_from_slice(&text.as_bytes()[..count]);
    bytes
}

fn dotted(address: [u8; 4]) -> [u8; 16] {
    fixed(&std::net::Ipv4Addr::from(address).to_string())
}

export! {
    fn wsk_GetAdaptersInfo(buffer: *mut AdapterInfo, size: *mut u32) -> u32, ERROR_NO_DATA => {
        if size.is_null() {
            return ERROR_INVALID_PARAMETER;
        }
        let adapters = adapters();
        let needed = adapters.len() * size_of::<AdapterInfo>();
        if adapters.is_empty() {
            return ERROR_NO_DATA;
        }
        if buffer.is_null() || (size.read_unaligned() as usize) < needed {
            size.write_unaligned(needed as u32);
            return ERROR_BUFFER_OVERFLOW;
        }
        size.write_unaligned(needed as u32);
        let count = adapters.len();
        for (at, (name, adapter)) in adapters.into_iter().enumerate() {
            let place = buffer.add(at);
            let (address, mask) = adapter.address.unwrap_or_default();
            let index = std::ffi::CString::new(name.as_str()).map_or(0, |name| libc::if_nametoindex(name.as_ptr()));
            let mut info: AdapterInfo = std::mem::zeroed();
            info.next = if at + 1 < count { buffer.add(at + 1) } else { std::ptr::null_mut() };
            info.name = fixed(&name);
            info.description = fixed(&name);
            info.hardware_length = 6;
            info.hardware[..6].copy_from_slice(&adapter.hardware);
            info.index = index;
            info.kind = ETHERNET;
            info.addresses.address = dotted(address);
            info.addresses.mask = dotted(mask);
            info.gateways.address = dotted([0; 4]);
            info.gateways.mask = dotted([0; 4]);
            place.write_unaligned(info);
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_of_windows() {
        assert_eq!(size_of::<AddressString>(), 48);
        assert_eq!(size_of::<AdapterInfo>(), 704);
    }
}
