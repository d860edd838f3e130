//! Counts, scores and ratios.

use proto::model::container::OOM_SCORES;

/// Says why a text is not such a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a whole number in range.
    #[error("`{text}` is not a count: write a whole number from 0 to {max}")]
    Count {
        /// What was given.
        text: String,
        /// The largest that is possible.
        max: u64,
    },
    /// Not a place in the order in which processes are ended.
    #[error("`{text}` is not a score: write a whole number from {min} to {max}", min = OOM_SCORES.start(), max = OOM_SCORES.end())]
    Score {
        /// What was given.
        text: String,
    },
    /// Not a revision.
    #[error("`{0}` is not a revision: write a number, as `shoal service history` shows it")]
    Revision(String),
    /// Not a share.
    #[error("`{0}` is not a ratio: write a number from 0 to 1, such as 0.2")]
    Ratio(String),
}

/// Reads a whole number.
pub fn count(text: &str) -> Result<u32, NumberError> {
    digits(text)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| NumberError::Count { text: shown(text), max: u32::MAX.into() })
}

/// Reads a whole number that may be large.
pub fn large_count(text: &str) -> Result<u64, NumberError> {
    digits(text).ok_or_else(|| NumberError::Count { text: shown(text), max: u64::MAX })
}

/// Reads how soon processes are ended when memory runs out.
pub fn score(text: &str) -> Result<i32, NumberError> {
    let score = text.parse().ok().filter(|score| OOM_SCORES.contains(score));
    score.ok_or_else(|| NumberError::Score { text: shown(text) })
}

/// Reads the number of a revision; they begin at 1.
pub fn revision(text: &str) -> Result<u64, NumberError> {
    digits(text).filter(|number| *number > 0).ok_or_else(|| NumberError::Revision(shown(text)))
}

/// Reads a share from 0 to 1.
pub fn ratio(text: &str) -> Result<f32, NumberError> {
    text.parse::<f32>()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| NumberError::Ratio(shown(text)))
}

fn digits(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.chars().all(|c| c.is_ascii_digit()))
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_are_counts() {
        assert_eq!(count("3"), Ok(3));
        assert_eq!(large_count("4294967296"), Ok(1 << 32));
        for bad in ["", "-1", "+1", "1.5", "three", "4294967296"] {
            assert!(count(bad).is_err(), "{bad}");
        }
        assert_eq!([score("-1000"), score("7")], [Ok(-1000), Ok(7)]);
        for bad in ["-1001", "1001", "x", "0.5"] {
            assert!(score(bad).is_err(), "{bad}");
        }
        assert_eq!(ratio("0.25"), Ok(0.25));
        for bad in ["1.1", "-0.1", "NaN", "x"] {
            assert!(ratio(bad).is_err(), "{bad}");
        }
    }
}
