//! What programs with sockets use around them.
//!
//! | module | owns |
//! |---|---|
//! | `files`, `processes`, `toolhelp` | files and folders, the process, its threads as a list |
//! | `memory`, `clock`, `system` | heaps and pages, time, what the machine is |
//! | `text`, `code_pages`, `strings` | strings that come from C, code pages, `lstr…` |
//! | `messages`, `message_texts` | `FormatMessage`, `MessageBox` |
//! | `console`, `control`, `keys` | the terminal: text, events such as Ctrl-C, single keys |
//! | `environment`, `profile`, `modules` | variables and folders, `.ini` files, `GetProcAddress` |
//! | `debugger`, `event_log`, `adapters` | debugging aids, the event log, network adapters |
//! | `crt` | the C run-time's functions, which are written in C |

mod adapters;
mod clock;
mod code_pages;
mod console;
mod control;
mod crt;
mod debugger;
mod environment;
mod event_log;
pub mod files;
mod keys;
mod memory;
mod message_texts;
mod messages;
mod modules;
mod os_text;
mod processes;
mod profile;
mod strings;
mod system;
mod text;
mod toolhelp;
