//! One line of a log file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Which of its outputs a container wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line a container wrote, or a part of a very long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When it came, by the node's clock.
    pub time: Timestamp,
    /// Where it was written to.
    pub stream: Stream,
    /// The text; it ends with a line feed unless the line goes on in the stream's next entry, or the
    /// container ended without writing one.
    pub text: String,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    log: Cow<'a, str>,
    stream: Stream,
    time: Timestamp,
}

impl LogEntry {
    /// Writes the entry as a line of a file. Bytes that are not UTF-8 are replaced.
    pub(crate) fn encode(time: Timestamp, stream: Stream, text: &[u8]) -> Vec<u8> {
        let line = Line { log: String::from_utf8_lossy(text), stream, time };
        let mut encoded = serde_json::to_vec(&line).expect("a line has no maps with keys other than text");
        encoded.push(b'\n');
        encoded
    }

    /// Reads a line of a file; `None` if it is not one, as after a crash or a full disk.
    pub(crate) fn decode(line: &[u8]) -> Option<Self> {
        let Line { log, stream, time } = serde_json::from_slice(line).ok()?;
        Some(Self { time, stream, text: log.into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_as_docker_does() {
        let time: Timestamp = "2024-05-06T07:08:09.123456789Z".parse().unwrap();
        let encoded = LogEntry::encode(time, Stream::Stderr, b"say \"hi\"\n");
        let should = "{\"log\":\"say \\\"hi\\\"\\n\",\"stream\":\"stderr\",\"time\":\"2024-05-06T07:08:09.123456789Z\"}\n";
        assert_eq!(String::from_utf8(encoded.clone()).unwrap(), should);
        let entry = LogEntry { time, stream: Stream::Stderr, text: "say \"hi\"\n".into() };
        assert_eq!(LogEntry::decode(&encoded), Some(entry));
    }

    #[test]
    fn a_torn_line_is_not_an_entry() {
        assert_eq!(LogEntry::decode(b"{\"log\":\"half a l"), None);
    }
}
