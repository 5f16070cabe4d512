//! How much a peer, an address, and all of them together may take: rates as token buckets, and who is admitted. Knows no socket; time is handed in.

mod admission;
mod bucket;

pub use admission::Refusal;
pub(crate) use admission::{Admission, AdmissionLimits, Permit};
pub(crate) use bucket::Bucket;
pub use bucket::Rate;
