//! What can be wrong with what a server says to a client.

use std::error::Error;
use std::fmt;

use super::wire::Malformed;

/// What came from a server is not of the resume protocol: it is no server, or another listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeError(&'static str);

impl From<Malformed> for ResumeError {
    fn from(malformed: Malformed) -> ResumeError {
        ResumeError(malformed.0)
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what came is not of the resume protocol: {}; connect to a listener that resumes", self.0)
    }
}

impl Error for ResumeError {}
