//! Points in time for `--since`: an RFC 3339 time, seconds since 1970, or how long ago.

use super::duration;

/// Says why a text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a time: write one such as 2026-01-02T13:23:37Z, seconds since 1970, or how long ago, such as 42m"
)]
pub struct SinceError(String);

/// Reads a point in time into milliseconds since 1970; `now_ms` is what "ago" counts from. A time
/// without zone is UTC.
pub fn parse_ms(text: &str, now_ms: i64) -> Result<i64, SinceError> {
    let refuse = || SinceError(text.chars().take(40).collect());
    if let Ok(ago) = duration::parse_ms(text) {
        return i64::try_from(ago).ok().and_then(|ago| now_ms.checked_sub(ago)).ok_or_else(refuse);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_millisecond());
    }
    if let Ok(time) = text.parse::<jiff::civil::DateTime>() {
        let in_utc = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| refuse())?;
        return Ok(in_utc.timestamp().as_millisecond());
    }
    unix_seconds(text).ok_or_else(refuse)
}

/// Seconds with an optional fraction.
fn unix_seconds(text: &str) -> Option<i64> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let ms = text.parse::<f64>().ok().filter(|_| plain)? * 1000.0;
    (ms <= i64::MAX as f64).then_some(ms as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_relative() {
        const NOW: i64 = 1_700_000_000_000;
        assert_eq!(parse_ms("42m", NOW), Ok(NOW - 42 * 60_000));
        assert_eq!(parse_ms("2023-11-14T22:13:20Z", 0), Ok(NOW));
        assert_eq!(parse_ms("2023-11-14T23:13:20.5+01:00", 0), Ok(NOW + 500));
        assert_eq!(parse_ms("2023-11-14T22:13:20", 0), Ok(NOW));
        assert_eq!(parse_ms("1700000000", 0), Ok(NOW));
        assert_eq!(parse_ms("1700000000.5", 0), Ok(NOW + 500));
        for bad in ["", "yesterday", "-5m", "12:00"] {
            assert!(parse_ms(bad, NOW).is_err(), "{bad}");
        }
    }
}
