//! Limits: token buckets, admission of connections, and the limits of one session. They know no
//! socket; time is handed in.

mod admission;
mod bucket;
mod rates;
mod refusal;
mod session;

pub(crate) use admission::{Admission, AdmissionLimits, NO_LISTENER, Permit};
pub(crate) use bucket::Bucket;
pub use bucket::Rate;
pub(crate) use rates::Rates;
pub use refusal::Refusal;
pub use session::SlowConsumer;
pub(crate) use session::{LEAST_SHARE, SessionLimits};
