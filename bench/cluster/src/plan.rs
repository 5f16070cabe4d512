//! What is asked for.

pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Of each window.
    pub(crate) seconds: f64,
    /// Of each node.
    pub(crate) members: usize,
}
