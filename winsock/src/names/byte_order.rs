//! Byte order.

use crate::abi::{self, SOCKET_ERROR};
use crate::error::WSAEFAULT;
use crate::socket::startup::{answer, find};

unsafe fn put<T>(s: abi::Socket, value: T, to: *mut T) -> i32 {
    answer(find(s).and_then(|_| {
        if to.is_null() {
            return Err(WSAEFAULT);
        }
        // SAFETY: it is the program's to be written.
        unsafe { to.write(value) };
        Ok(())
    }))
}

export! {
    fn wsk_htonl(value: u32) -> u32, 0 => { value.to_be() }
    fn wsk_ntohl(value: u32) -> u32, 0 => { u32::from_be(value) }
    fn wsk_htons(value: u16) -> u16, 0 => { value.to_be() }
    fn wsk_ntohs(value: u16) -> u16, 0 => { u16::from_be(value) }
    fn wsk_WSAHtonl(s: abi::Socket, value: u32, to: *mut u32) -> i32, SOCKET_ERROR => { put(s, value.to_be(), to) }
    fn wsk_WSANtohl(s: abi::Socket, value: u32, to: *mut u32) -> i32, SOCKET_ERROR => { put(s, value.to_be(), to) }
    fn wsk_WSAHtons(s: abi::Socket, value: u16, to: *mut u16) -> i32, SOCKET_ERROR => { put(s, value.to_be(), to) }
    fn wsk_WSANtohs(s: abi::Socket, value: u16, to: *mut u16) -> i32, SOCKET_ERROR => { put(s, value.to_be(), to) }
}
