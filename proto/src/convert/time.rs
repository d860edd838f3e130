//! Spans of time: milliseconds on the wire.

use std::time::Duration;

/// Whole milliseconds; a span too long for the field becomes the longest one.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
