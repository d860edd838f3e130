//! Shares of processors: `0.5` is half of one.

/// Says why a text is not a number of processors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpusError {
    /// Not a decimal number.
    #[error("`{0}` is not a number of processors: write a decimal number, such as 0.5 or 2")]
    Form(String),
    /// More than nine decimals.
    #[error("`{0}` is too precise: at most nine decimals count")]
    TooPrecise(String),
}

const NANOS_DIGITS: usize = 9;

/// Reads a number of processors into billionths.
pub fn parse_nanos(text: &str) -> Result<u64, CpusError> {
    let shown = || text.chars().take(40).collect();
    let form = || CpusError::Form(shown());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() || !fraction.chars().all(|c| c.is_ascii_digit()) {
        return Err(form());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > NANOS_DIGITS {
        return Err(CpusError::TooPrecise(shown()));
    }
    let all_digits = whole.chars().all(|c| c.is_ascii_digit());
    let whole: u64 =
        if whole.is_empty() { 0 } else { whole.parse().ok().filter(|_| all_digits).ok_or_else(form)? };
    let part: u64 = format!("{fraction:0<NANOS_DIGITS$}").parse().map_err(|_| form())?;
    whole.checked_mul(1_000_000_000).and_then(|nanos| nanos.checked_add(part)).ok_or_else(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_decimal_numbers() {
        for (text, nanos) in [
            ("0.5", 500_000_000),
            ("2", 2_000_000_000),
            (".25", 250_000_000),
            ("1.000000001", 1_000_000_001),
            ("3.", 3_000_000_000),
        ] {
            assert_eq!(parse_nanos(text), Ok(nanos), "{text}");
        }
        for bad in ["", ".", "half", "-1", "+1", "1e3", "0,5", "1.2.3", "99999999999999"] {
            assert!(matches!(parse_nanos(bad), Err(CpusError::Form(_))), "{bad}");
        }
        assert!(matches!(parse_nanos("0.0000000001"), Err(CpusError::TooPrecise(_))));
    }
}
