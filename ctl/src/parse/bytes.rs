//! Sizes in bytes as docker reads them: `64m` is 64 MiB.

/// Says why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: write a number with b, k, m, g or t, such as 64m or 1.5g")]
pub struct SizeError(String);

/// Reads a size in bytes; units are powers of 1024, in either case, with or without `b` or `ib`.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    read(text).ok_or_else(|| SizeError(text.chars().take(40).collect()))
}

fn read(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let number_end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(number_end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let shift = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    match number.split_once('.') {
        None => number.parse::<u64>().ok()?.checked_mul(1 << shift),
        Some((whole, fraction)) => {
            let digits =
                !whole.is_empty() && !fraction.is_empty() && fraction.chars().all(|c| c.is_ascii_digit());
            let bytes = number.parse::<f64>().ok().filter(|_| digits)? * (1u64 << shift) as f64;
            (bytes < u64::MAX as f64).then_some(bytes as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("32", 32),
            ("64m", 64 << 20),
            ("64MiB", 64 << 20),
            ("64 mb", 64 << 20),
            ("1.5g", 3 << 29),
            ("2K", 2048),
            ("10b", 10),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_malformed_size_says_what_would_be_right() {
        for bad in ["", "m", "64x", "-1", "1.", ".5g", "1.2.3m", "64  m", "99999999999999t", "1e3"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("64x").unwrap_err().to_string().contains("64m"));
    }
}
