//! `--log-opt`: how much of a task's output is kept.

use super::{bytes, number};
use proto::wire;

/// Says why a log option can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogOptionError {
    /// No such option.
    #[error("there is no log option `{0}`: use max-size=SIZE, such as max-size=10m, or max-file=COUNT")]
    Unknown(String),
    /// A size that is none.
    #[error("max-size: {0}")]
    Size(bytes::SizeError),
    /// A count that is none.
    #[error("max-file: {0}")]
    Count(number::NumberError),
}

/// Carries one option over to the settings.
pub fn apply(text: &str, log: &mut wire::LogConfig) -> Result<(), LogOptionError> {
    match text.split_once('=') {
        Some(("max-size", size)) => log.max_size_bytes = bytes::parse(size).map_err(LogOptionError::Size)?,
        Some(("max-file", count)) => log.max_files = number::count(count).map_err(LogOptionError::Count)?,
        _ => return Err(LogOptionError::Unknown(text.chars().take(40).collect())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_options_change_only_what_they_name() {
        let mut log = wire::LogConfig { max_size_bytes: 1, max_files: 2 };
        apply("max-size=10m", &mut log).unwrap();
        assert_eq!(log, wire::LogConfig { max_size_bytes: 10 << 20, max_files: 2 });
        apply("max-file=5", &mut log).unwrap();
        assert_eq!(log.max_files, 5);
        assert!(apply("compress=true", &mut log).unwrap_err().to_string().contains("max-size=10m"));
        assert!(matches!(apply("max-file=x", &mut log), Err(LogOptionError::Count(_))));
    }
}
