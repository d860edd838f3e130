//! Durations as Go writes them: `1m30s`, `1.5h`, `300ms`.

use std::time::Duration;

/// Says why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not numbers with units.
    #[error("`{0}` is not a duration: write numbers with units, such as 1m30s, 1.5h or 500ms")]
    Form(String),
    /// A fraction of a millisecond.
    #[error("`{0}` is finer than a millisecond: use whole milliseconds, such as 5ms")]
    TooFine(String),
    /// More than can be counted.
    #[error("`{0}` is too long a duration")]
    TooLong(String),
}

const NANOS_PER_MS: u128 = 1_000_000;

/// Reads a duration of whole milliseconds; `0` needs no unit.
pub fn parse_ms(text: &str) -> Result<u64, DurationError> {
    let nanos = parse_nanos(text)?;
    if !nanos.is_multiple_of(NANOS_PER_MS) {
        return Err(DurationError::TooFine(shown(text)));
    }
    // Spans are kept as signed 64-bit numbers in other clients, so the same bound holds here.
    let ms = nanos / NANOS_PER_MS;
    u64::try_from(ms)
        .ok()
        .filter(|ms| i64::try_from(*ms).is_ok())
        .ok_or_else(|| DurationError::TooLong(shown(text)))
}

fn parse_nanos(text: &str) -> Result<u128, DurationError> {
    let form = || DurationError::Form(shown(text));
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(form());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(form)?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let part = scaled(number, unit_nanos(unit).ok_or_else(form)?).ok_or_else(form)?;
        total = total.checked_add(part).ok_or_else(|| DurationError::TooLong(shown(text)))?;
        rest = after;
    }
    Ok(total)
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `number`, which may have a fraction, times `unit`; `None` if it is no number or too large.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits beyond the 15th are less than a nanosecond even for hours.
    let digits = &fraction[..fraction.len().min(15)];
    let part = if digits.is_empty() {
        0
    } else {
        digits.parse::<u128>().ok()? * unit / 10u128.pow(digits.len() as u32)
    };
    u128::from(whole).checked_mul(unit)?.checked_add(part)
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Writes a span of milliseconds as Go does: `2160h0m0s`, `1m30s`, `500ms`, `0s`.
pub fn go_text(ms: u64) -> String {
    if ms == 0 {
        return "0s".into();
    }
    if ms < 1000 {
        return format!("{ms}ms");
    }
    let span = Duration::from_millis(ms);
    let (hours, minutes, seconds) = (span.as_secs() / 3600, span.as_secs() / 60 % 60, span.as_secs() % 60);
    let fraction = match span.subsec_millis() {
        0 => String::new(),
        part => format!(".{part:03}").trim_end_matches('0').to_owned(),
    };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, _) => format!("{minutes}m{seconds}{fraction}s"),
        _ => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, ms) in [
            ("0", 0),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("300ms", 300),
            ("2160h0m0s", 7_776_000_000),
            ("+5s", 5_000),
            ("1000us", 1),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn a_malformed_duration_says_what_would_be_right() {
        for bad in ["", "5", "s", "-5s", "1d", "1..5s", "5 s", "."] {
            assert!(matches!(parse_ms(bad), Err(DurationError::Form(_))), "{bad}");
        }
        assert!(parse_ms("5").unwrap_err().to_string().contains("1m30s"));
        assert_eq!(parse_ms("500us"), Err(DurationError::TooFine("500us".into())));
        assert!(matches!(parse_ms("18446744073709551615h"), Err(DurationError::TooLong(_))));
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (ms, text) in [
            (0, "0s"),
            (5, "5ms"),
            (1500, "1.5s"),
            (90_000, "1m30s"),
            (7_776_000_000, "2160h0m0s"),
            (3_600_250, "1h0m0.25s"),
        ] {
            assert_eq!(go_text(ms), text);
            assert_eq!(parse_ms(text), Ok(ms));
        }
    }
}
