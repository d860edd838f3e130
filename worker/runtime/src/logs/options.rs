//! What of a log is wanted.

use super::line::{LogEntry, Stream};
use jiff::Timestamp;

/// What of a log is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// Whether standard output is.
    pub stdout: bool,
    /// Whether standard error is.
    pub stderr: bool,
    /// Nothing before this.
    pub since: Option<Timestamp>,
    /// Nothing after this.
    pub until: Option<Timestamp>,
    /// Of what is there at the beginning, only so many of the last entries; `None` is all.
    pub tail: Option<usize>,
    /// Whether to go on until the container has ended.
    pub follow: bool,
}

impl Default for LogOptions {
    /// Everything that is there.
    fn default() -> Self {
        Self { stdout: true, stderr: true, since: None, until: None, tail: None, follow: false }
    }
}

impl LogOptions {
    /// Whether an entry is wanted, wherever in the log it is.
    pub(super) fn want(&self, entry: &LogEntry) -> bool {
        let stream = match entry.stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        };
        let not_before = self.since.is_none_or(|since| entry.time >= since);
        stream && not_before && self.until.is_none_or(|until| entry.time <= until)
    }
}
