//! Heaps, pages, and the questions whether memory can be read.

pub mod heap;
mod mapped;
mod pages;
