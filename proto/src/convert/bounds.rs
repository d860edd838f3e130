//! Limits on what a person may send, so that no request fills the managers' memory or fails later
//! on a node with a bare errno.

use crate::model::Problems;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// The largest total size in bytes of one list of texts: a service's environment, its arguments, a
/// set of labels.
pub const TEXTS_BYTES_MAX: usize = 500 << 10;

/// The largest size in bytes of one argument or variable: the kernel takes 128 KiB, of which the
/// last byte is the end mark (execve(2), `MAX_ARG_STRLEN`).
pub const ARGUMENT_BYTES_MAX: usize = (128 << 10) - 1;

/// The longest path or other single text in bytes (`PATH_MAX` without its end mark).
pub(super) const TEXT_BYTES_MAX: usize = 4095;

/// The most entries in a list of things that are not counted otherwise.
const ENTRIES_MAX: usize = 1000;

/// The longest span of time that can be asked for: ten years.
pub const SPAN_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Notes a list whose texts together are too large.
pub(super) fn total(option: &str, bytes: usize, problems: &mut Problems) {
    if bytes > TEXTS_BYTES_MAX {
        problems
            .add(option, format!("together {bytes} bytes: must be at most {} KiB", TEXTS_BYTES_MAX >> 10));
    }
}

/// Notes a list that is too long.
pub(super) fn count(option: &str, entries: usize, problems: &mut Problems) {
    if entries > ENTRIES_MAX {
        problems.add(option, format!("given {entries} times: must be at most {ENTRIES_MAX} times"));
    }
}

/// Notes arguments or variables that no process can be started with.
pub(super) fn arguments(option: &str, texts: &[String], problems: &mut Problems) {
    for text in texts {
        if text.contains('\0') {
            problems.add(
                option,
                format!("`{}` contains a NUL character, which no process can be given", shown(text)),
            );
        }
        if text.len() > ARGUMENT_BYTES_MAX {
            problems.add(
                option,
                format!(
                    "`{}...` has {} bytes: must be at most {ARGUMENT_BYTES_MAX}",
                    shown(text),
                    text.len()
                ),
            );
        }
    }
}

/// Reads a text that is "not given" when empty, noting one that is too long or holds a NUL.
pub(super) fn text(option: &str, text: String, problems: &mut Problems) -> Option<String> {
    if text.len() > TEXT_BYTES_MAX {
        problems.add(
            option,
            format!("`{}...` has {} bytes: must be at most {TEXT_BYTES_MAX}", shown(&text), text.len()),
        );
    } else if text.contains('\0') {
        problems.add(option, format!("`{}` contains a NUL character", shown(&text)));
    }
    Some(text).filter(|text| !text.is_empty())
}

/// Reads a set of labels, noting names that are empty and a set that is too large.
pub(super) fn labels(
    option: &str,
    labels: HashMap<String, String>,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    if let Some(value) = labels.get("") {
        problems
            .add(option, format!("a label needs a name: write NAME=VALUE instead of `={}`", shown(value)));
    }
    total(option, labels.iter().map(|(name, value)| name.len() + value.len()).sum(), problems);
    labels.into_iter().collect()
}

/// Reads a span in milliseconds, noting one that is too long.
pub(super) fn span(option: &str, millis: u64, problems: &mut Problems) -> Duration {
    let span = Duration::from_millis(millis);
    if span > SPAN_MAX {
        problems.add(
            option,
            format!("{millis} ms is too long: must be at most {} days", SPAN_MAX.as_secs() / 86_400),
        );
    }
    span
}

/// The beginning of what a person sent, to show it in a message without repeating all of it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_at_the_limit_pass_and_one_byte_more_does_not() {
        for (bytes, problems_expected) in [(TEXTS_BYTES_MAX, 0), (TEXTS_BYTES_MAX + 1, 1)] {
            let mut problems = Problems::default();
            total("--env", bytes, &mut problems);
            assert_eq!(problems.0.len(), problems_expected, "{bytes}");
        }
        for (bytes, problems_expected) in [(ARGUMENT_BYTES_MAX, 0), (ARGUMENT_BYTES_MAX + 1, 1)] {
            let mut problems = Problems::default();
            arguments("ARG", &["x".repeat(bytes)], &mut problems);
            assert_eq!(problems.0.len(), problems_expected, "{bytes}");
        }
    }

    #[test]
    fn a_message_shows_only_the_beginning_of_a_long_text() {
        assert_eq!(shown(&"é".repeat(10_000)).chars().count(), 60);
        assert_eq!(shown("a\0b"), "a\\0b");
    }
}
