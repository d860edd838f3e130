//! Times in words ("About an hour ago") and in RFC 3339.

use jiff::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 by this machine's clock.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A span in docker's words: `3 minutes`, `About an hour`.
pub fn in_words(span: Duration) -> String {
    let seconds = span.as_secs();
    let hours = (seconds + 1800) / 3600;
    match (seconds, seconds / 60, hours) {
        (0, ..) => "Less than a second".into(),
        (1, ..) => "1 second".into(),
        (2..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".into(),
        (_, minutes @ 2..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".into(),
        (.., 2..48) => format!("{hours} hours"),
        (.., 48..336) => format!("{} days", hours / 24),
        (.., 336..1440) => format!("{} weeks", hours / 24 / 7),
        (.., 1440..17520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// How long ago a time was, in words with `ago`; a time ahead, by another clock, counts as now.
pub fn ago(at_ms: i64, now_ms: i64) -> String {
    let span = u64::try_from(now_ms.saturating_sub(at_ms)).unwrap_or(0);
    format!("{} ago", in_words(Duration::from_millis(span)))
}

/// The time in RFC 3339, as precise as it is known: `2026-11-23T07:50:59.123Z`.
pub fn rfc3339(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// The time in RFC 3339 with all nine digits, so that the lines of a log align.
pub fn rfc3339_nanos(at_ns: i64) -> String {
    format!("{:.9}", Timestamp::from_nanosecond(i128::from(at_ns)).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// The time as Go prints it: `2026-11-23 07:50:59.123 +0000 UTC`.
pub fn go_text(at_ms: i64) -> String {
    format!("{} +0000 UTC", rfc3339(at_ms).replacen('T', " ", 1).trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_in_dockers_words() {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (MINUTE, "About a minute"),
            (2 * MINUTE - 1, "About a minute"),
            (59 * MINUTE, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + 29 * MINUTE, "About an hour"),
            (HOUR + 30 * MINUTE, "2 hours"),
            (47 * HOUR, "47 hours"),
            (2 * DAY, "2 days"),
            (14 * DAY, "2 weeks"),
            (60 * DAY, "2 months"),
            (365 * DAY, "12 months"),
            (730 * DAY, "2 years"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        assert_eq!(ago(2_000, 1_000), "Less than a second ago");
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        assert_eq!(rfc3339(1_700_000_000_120), "2023-11-14T22:13:20.12Z");
        assert_eq!(rfc3339(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339_nanos(1_700_000_000_120_000_000), "2023-11-14T22:13:20.120000000Z");
        assert_eq!(go_text(1_700_000_000_120), "2023-11-14 22:13:20.12 +0000 UTC");
    }
}
