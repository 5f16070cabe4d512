//! Files that are sent: what is found out when their turn comes, and how one piece follows another.

use crate::error::{Action, Error, ErrorKind, code};
use crate::id::OpId;
use crate::sys::op::{Failure, OpKind, Outcome};

use super::Driver;
use super::cause::survives;
use super::operations::{Completion, Stage};

impl Driver {
    /// Hands the next piece of a file to the backend. Before the first one, the file is looked at.
    pub(super) fn hand_over_file(&mut self, id: OpId) {
        let (operation, owned) = self.operations.with_owned(id.slot());
        let index = operation.socket;
        let owned = owned.expect("it owns a file");
        if owned.is_unknown_file() {
            let looked = owned.look_at_file();
            if !matches!(looked, Ok(1..)) {
                operation.stage = Stage::Submitting;
                return self.end(id.slot(), looked.map(Outcome::Sent));
            }
        }
        let handle = self.sockets[index].handle.as_ref().expect("operations end before the socket is closed");
        self.backend.start(id, OpKind::SendFile, index, handle, Some(owned));
    }

    /// A piece of a file has been read or sent, or that has failed.
    pub(super) fn file_moved(
        &mut self,
        slot: u32,
        result: Result<Outcome, Failure>,
        cancelled: bool,
    ) -> Option<Completion> {
        match result {
            Ok(Outcome::Received(0) | Outcome::Sent(0)) | Err(Failure::FileEnded) => {
                let error = Error::new(Action::Send, ErrorKind::EndOfFile).because("the file has become shorter");
                Some(self.file_failed(slot, error))
            }
            Ok(Outcome::Received(bytes)) => {
                self.operations.owned_mut(slot).expect("it owns a file").file_read(bytes);
                if cancelled {
                    return Some(self.file_failed(slot, Error::new(Action::Send, ErrorKind::Cancelled)));
                }
                self.transfer_again(slot);
                None
            }
            Err(Failure::File(code)) if code::is_interrupted(code) && !cancelled => {
                self.transfer_again(slot);
                None
            }
            Err(Failure::File(code)) => {
                let error = Error::os(Action::Send, code);
                let was_cancelled = error.kind() == ErrorKind::Cancelled || code::is_interrupted(code);
                let error = match was_cancelled {
                    true => error.meaning(ErrorKind::Cancelled),
                    false => error.because("reading the file failed"),
                };
                Some(self.file_failed(slot, error))
            }
            result => {
                if let Err(Failure::Code(code)) = &result {
                    self.may_have_sent(slot, Error::os(Action::Send, *code).kind());
                }
                self.sent(slot, result, cancelled)
            }
        }
    }

    /// A piece has failed. If the backend does not tell how much of it was sent, what follows it
    /// could follow a hole.
    fn may_have_sent(&mut self, slot: u32, cause: ErrorKind) {
        if self.backend.tells_of_whole_pieces() && cause != ErrorKind::NotConnected {
            self.sockets[self.operations[slot].socket].broken.get_or_insert(cause);
        }
    }

    /// The file, and not the connection, is why a send ends.
    fn file_failed(&mut self, slot: u32, error: Error) -> Completion {
        self.may_have_sent(slot, error.kind());
        let result = self.cut_short(slot, error);
        let broken = &mut self.sockets[self.operations[slot].socket].broken;
        if broken.is_some_and(|cause| !survives(cause)) {
            *broken = Some(ErrorKind::EndOfFile);
        }
        self.finish(slot, result)
    }
}
