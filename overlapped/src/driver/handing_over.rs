//! What was started, and what is to be cancelled, on its way to the backend.

use crate::error::Error;
use crate::flags::{Role, ShutdownHow};
use crate::sys::Request;

use super::Driver;
use super::slots::{CloseStep, Stage, What};

impl Driver {
    /// Hands starts and cancels to the backend, as far as it has room.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        while let Some(&slot) = self.listed.front() {
            if !self.backend.has_room()? {
                break;
            }
            self.listed.pop_front();
            self.slots[slot].listed = false;
            match self.slots[slot].stage {
                Stage::Submitting => self.hand_over(slot),
                Stage::Kernel if self.slots[slot].cancelled => self.backend.cancel(self.slots.id(slot)),
                // It was cancelled, or has ended, since.
                _ => {}
            }
        }
        Ok(())
    }

    fn hand_over(&mut self, slot: u32) {
        let id = self.slots.id(slot);
        let (entry, cargo) = self.slots.with_cargo(slot);
        let index = entry.socket;
        let socket = &mut self.sockets[index];
        entry.stage = Stage::Kernel;
        if let What::Close { step: CloseStep::Closing, abort } = entry.what {
            let handle = socket.handle.take().expect("a socket is closed once");
            if abort {
                handle.reset_on_close();
            }
            return self.backend.start(id, index, Request::Close { handle });
        }
        let handle = socket.handle.as_ref().expect("operations end before the socket is closed");
        let (buf, address, progress) = match cargo {
            Some(cargo) => (cargo.buf.as_mut(), cargo.address.as_ref(), cargo.progress),
            None => (None, None, 0),
        };
        let request = match &entry.what {
            What::Accept { multi } => Request::Accept { handle, multi: *multi },
            What::Connect => Request::Connect { handle, address: address.expect("a connect has an address") },
            What::Recv { flags } if socket.role == Role::Datagram => {
                Request::RecvFrom { handle, buf: buf.expect("a receive owns a buffer"), flags: *flags }
            }
            What::Recv { flags } => {
                let buf = buf.expect("a receive owns a buffer");
                Request::Recv { handle, buf, skip: progress, flags: *flags }
            }
            What::RecvMulti => Request::RecvPooled { handle },
            What::RecvFrom { flags } => {
                Request::RecvFrom { handle, buf: buf.expect("a receive owns a buffer"), flags: *flags }
            }
            What::RecvFromMulti => Request::RecvFromPooled { handle },
            What::Send { flags } => {
                let buf = buf.expect("a send owns a buffer");
                Request::Send { handle, buf, skip: progress, flags: *flags }
            }
            What::SendTo => {
                let address = address.expect("it has one");
                Request::SendTo { handle, buf: buf.expect("a send owns a buffer"), address }
            }
            // The other direction is the driver's.
            What::Shutdown { .. } if socket.role == Role::Stream => {
                Request::Shutdown { handle, how: ShutdownHow::Send }
            }
            What::Shutdown { how } => Request::Shutdown { handle, how: *how },
            What::Close { step: CloseStep::ShuttingDown, .. } => Request::Shutdown { handle, how: ShutdownHow::Send },
            What::Close { .. } => Request::Discard { handle },
            What::Timer => unreachable!("timers are not the backend's"),
        };
        self.backend.start(id, index, request);
    }
}
