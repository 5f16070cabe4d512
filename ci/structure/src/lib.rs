//! Checks the structure of this repository: `cargo test -p structure`, or, to read all findings,
//! `cargo run -p structure`.
//!
//! | check | rule |
//! |---|---|
//! | [`circles::check`] | No import circle between the files of a crate. |
//! | [`text::check_unsafe`] | `unsafe` only in [`text::UNSAFE`], tests and examples. |
//! | [`text::check_comments`] | No comment wider than [`text::COMMENT_COLUMNS`] columns. |
//! | [`text::check_lengths`] | No file over [`text::FILE_LINES`] lines, except tests. |
//! | [`text::check_words`] | At most [`text::ROUNDABOUT_LINES`] lines with roundabout words. |
//! | [`page::check_walks`] | The walks name functions that exist, and few files. |
//! | [`page::check_changes`] | "To change X, open Y" names files that exist. |
//! | [`page::check_contracts`] | Every contract names a test that exists. |
//! | [`page::check_glossary`] | At most [`page::TERMS`] terms. |
//! | [`page::check_links`] | Relative links of the pages lead to a file. |
//!
//! # What `ARCHITECTURE.md` must look like
//!
//! Paths are relative to the root of the tree. Functions are functions, methods or methods of
//! traits in that file; several are separated by commas. A method may be written with its type.
//!
//! ````text
//! ## Path of a packet and of a broadcast
//!
//! ### A packet
//!
//! 1. `overlapped/src/sys/uring/mod.rs: Uring::next` — a remark
//! 2. `overlapped/src/driver/complete.rs: complete, Driver::rearm`
//! 3. the user's handler
//!
//! ### A broadcast
//!
//! ```
//! proactor/src/group/mod.rs: Group::broadcast
//! ```
//!
//! ## To change X, open Y
//!
//! | to change | open |
//! |---|---|
//! | when an idle session is closed | `proactor/src/session/timeouts.rs` |
//!
//! ## Contracts
//!
//! | contract | test |
//! |---|---|
//! | Sends leave in order. | `overlapped/tests/order.rs: sends_leave_in_order` |
//! ````
//!
//! `docs/glossary.md`:
//!
//! ````text
//! # Glossary
//!
//! | term | meaning |
//! |---|---|
//! | turn | One call of the driver that waits and collects. |
//! ````
//!
//! A walk is a list or a fenced block. A line that names no `.rs` file is a remark. Neighbouring
//! lines of one file are one entry of that file.

pub mod circles;
pub mod mentions;
pub mod module;
pub mod page;
pub mod repository;
pub mod text;
pub mod tree;
pub mod words;
