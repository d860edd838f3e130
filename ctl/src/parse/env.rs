//! Environment variables of a container, given one by one or in files.

use std::{io, path::PathBuf};

/// Says why a variable or a file of them can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// No name before the `=`.
    #[error("`{0}` has no name: write NAME=VALUE, or NAME to pass on its value from here")]
    NoName(String),
    /// White space in the name.
    #[error("variable name `{0}` contains white space")]
    Space(String),
    /// The file can't be read.
    #[error("cannot read {}: {why}; give a file of NAME=VALUE lines", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// A line of the file is wrong.
    #[error("{} line {line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        why: Box<EnvError>,
    },
}

/// Reads one variable into `NAME=VALUE`. A name alone takes its value from `ours`, the caller's own
/// environment, and is left out (`None`) if it is not set there.
pub fn variable(text: &str, ours: impl Fn(&str) -> Option<String>) -> Result<Option<String>, EnvError> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    if name.is_empty() {
        return Err(EnvError::NoName(text.chars().take(40).collect()));
    }
    if name.chars().any(char::is_whitespace) {
        return Err(EnvError::Space(name.chars().take(40).collect()));
    }
    Ok(match value {
        Some(_) => Some(text.to_owned()),
        None => ours(name).map(|value| format!("{name}={value}")),
    })
}

/// Reads the text of an environment file: a variable a line, `#` begins a comment line. Every line
/// that is wrong is reported.
pub fn file(path: &str, text: &str, ours: impl Fn(&str) -> Option<String>) -> Vec<Result<String, EnvError>> {
    let lines = text.lines().enumerate().map(|(nth, line)| (nth + 1, line.trim_start()));
    let meaningful = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    meaningful
        .filter_map(|(line, text)| {
            let located = |why| EnvError::Line { path: path.into(), line, why: Box::new(why) };
            variable(text, &ours).map_err(located).transpose()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(name: &str) -> Option<String> {
        (name == "HOME").then(|| "/root".to_owned())
    }

    #[test]
    fn a_name_alone_takes_the_callers_value() {
        assert_eq!(variable("A=b=c", ours).unwrap(), Some("A=b=c".into()));
        assert_eq!(variable("HOME", ours).unwrap(), Some("HOME=/root".into()));
        assert_eq!(variable("UNSET", ours).unwrap(), None);
        assert!(variable("=x", ours).is_err());
        assert!(variable("A B=x", ours).is_err());
    }

    #[test]
    fn every_wrong_line_of_a_file_is_named() {
        let read = file("app.env", "# comment\nA=1\n\n  B=two words\n=x\nUNSET\nC D=1\n", ours);
        let good: Vec<_> = read.iter().filter_map(|line| line.as_deref().ok()).collect();
        let bad: Vec<_> =
            read.iter().filter_map(|line| line.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(good, ["A=1", "B=two words"]);
        assert_eq!(bad.len(), 2);
        assert!(bad[0].starts_with("app.env line 5: `=x` has no name"), "{}", bad[0]);
    }
}
