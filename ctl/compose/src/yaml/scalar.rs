//! What an unquoted scalar means: YAML 1.2 with the remains of 1.1 that docker's parser (go-yaml v3) has kept.

use crate::node::Value;

/// Resolves an unquoted scalar. `yes`, `on` and the like are texts; `010` is octal. A date stays a text, where docker
/// makes `2001-01-01 00:00:00 +0000 UTC` of it.
pub fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    let begins_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    if !begins_number {
        return Value::Text(text.to_owned());
    }
    let plain = text.replace('_', "");
    if let Some(number) = integer(&plain) {
        return Value::Int(number);
    }
    if is_float(&plain)
        && let Ok(number) = plain.parse::<f64>()
    {
        return Value::Float(number);
    }
    Value::Text(text.to_owned())
}

fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // `from_str_radix` would take a second sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let number = sign * i128::from_str_radix(digits, radix).ok()?;
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number).then_some(number)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && digits(exponent)
        && !exponent.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `docker stack config` prints for a variable of this value.
    #[test]
    fn scalars_mean_what_they_mean_to_docker() {
        for (text, shown) in [
            ("yes", "yes"),
            ("off", "off"),
            ("010", "8"),
            ("1e3", "1000"),
            ("0.50", "0.5"),
            ("1_000", "1000"),
            ("0x1F", "31"),
            (".5", "0.5"),
            ("1.0", "1"),
            ("1e20", "1e+20"),
            ("0b11", "3"),
            ("-0", "0"),
            ("1_000.5", "1000.5"),
            ("+12", "12"),
            ("0o14", "12"),
            ("12:30", "12:30"),
            ("123456789012345678901", "1.2345678901234568e+20"),
            ("1e6", "1e+06"),
            ("1.5e-7", "1.5e-07"),
            ("09", "9"),
            ("1.2.3.4", "1.2.3.4"),
            ("10m", "10m"),
        ] {
            assert_eq!(resolve(text).to_string(), shown, "{text}");
        }
        assert_eq!(resolve("~"), Value::Null);
        assert_eq!(resolve("-"), Value::Text("-".into()));
        assert_eq!(resolve("--1"), Value::Text("--1".into()));
        assert_eq!(resolve("True"), Value::Bool(true));
    }
}
