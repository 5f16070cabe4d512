//! What a program is told of its operations.

use crate::buf::AnyBuf;
use crate::error::Error;
use crate::id::OpId;
use crate::sys::op::Outcome;

/// How an operation ended, or one result of a multishot operation that goes on.
#[derive(Debug)]
pub struct Completion {
    /// The operation.
    pub id: OpId,
    /// The token that [`Driver::submit`](crate::Driver::submit) was given with it.
    pub token: u64,
    /// Whether more completions of this operation follow. Every operation has exactly one
    /// completion without this, its last.
    pub more: bool,
    /// What it brought, or why it failed.
    pub result: Result<Outcome, Error>,
    /// The buffer that the operation was given.
    pub buf: Option<AnyBuf>,
}
