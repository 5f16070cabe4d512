//! Sending a piece of a file.

use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Foundation::HANDLE;

use super::super::op::Owned;
use super::Winsock;
use super::slots::Kind;

/// The most bytes of a file that are given to the system at once; the driver goes on behind them.
/// The system does not tell how many were sent by a request that failed, so they are not many.
const MOST_BYTES: u64 = 1 << 20;

impl Winsock {
    pub(super) fn send_file(&mut self, index: u32, owned: &mut Owned) {
        let slot = &mut self.slots[index as usize];
        slot.kind = Kind::SendsFile;
        let (file, offset, left) = owned.file_at();
        // SAFETY: no packet is to come for this slot.
        let block = unsafe { slot.block.prepare(0) };
        // SAFETY: the block is ours until the call. The offset is one of two views of its memory.
        unsafe {
            let place = &raw mut (*block.overlapped).Anonymous.Anonymous;
            (&raw mut (*place).Offset).write(offset as u32);
            (&raw mut (*place).OffsetHigh).write((offset >> 32) as u32);
        }
        // SAFETY: the socket is open, and the block lives, until the packet has come. So does the
        // file, which the operation owns.
        let result = unsafe {
            (self.extensions.transmit)(
                slot.handle,
                file.as_raw_handle() as HANDLE,
                left.min(MOST_BYTES) as u32,
                0,
                block.overlapped,
                std::ptr::null(),
                0,
            )
        };
        self.started(index, result != 0);
    }
}
