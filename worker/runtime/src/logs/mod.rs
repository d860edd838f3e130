//! A container's output: kept by its shim in numbered files, read by anyone.
//!
//! The lines are as Docker's `json-file` has them: `{"log":"text\n","stream":"stdout","time":"..."}`.
//! The files are numbered from 1; the one with the highest number is written to. Rotating makes the
//! next and removes the oldest, so a file's name never changes and a reader that follows can't lose
//! its place.

mod files;
mod line;
mod lines_of;
mod options;
mod reader;
#[cfg(test)]
mod reader_tests;
pub(crate) mod splitter;
pub(crate) mod writer;

pub use line::{LogEntry, Stream};
pub use options::LogOptions;
pub use reader::{LogError, LogReader, Next, read};
