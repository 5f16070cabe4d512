//! Checks the structure of this repository.

pub mod circles;
pub mod mentions;
pub mod module;
pub mod text;
pub mod tree;
