//! Files of variables, `.env` and those of `env_file`: `NAME=value`, quotes, comments, `export`, and variables in values.

use crate::{
    interpolate,
    place::{KeyPath, Place},
    report::Report,
};
use std::collections::BTreeMap;

/// Reads a file of variables. Values may name variables that `outer` knows, or that stand further up. A name without a
/// value has the one that `outer` knows, or is left out.
pub fn parse(
    file: &str,
    text: &str,
    outer: &dyn Fn(&str) -> Option<String>,
    report: &Report,
) -> Vec<(String, String)> {
    let mut scanner = Scanner { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut order = Vec::new();
    while let Some(line) = scanner.next_statement() {
        let place = Place { file: file.into(), line, column: 1 };
        let statement = scanner.statement();
        let Some((name, value)) = report.take(&place, &KeyPath::root(), statement) else { continue };
        let lookup = |name: &str| outer(name).or_else(|| known.get(name).cloned());
        let value = match value {
            Written::None => outer(&name),
            Written::Literal(value) => Some(value),
            Written::Template(value) => {
                let filled = report.take(&place, &KeyPath::root(), interpolate::fill(&value, &lookup));
                filled.map(|filled| filled.text)
            }
        };
        if let Some(value) = value
            && known.insert(name.clone(), value).is_none()
        {
            order.push(name);
        }
    }
    order.into_iter().filter_map(|name| known.remove(&name).map(|value| (name, value))).collect()
}

/// Reads a file of variables without quotes and variables in values, as `docker run --env-file` does.
pub fn parse_raw(text: &str, outer: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let variable = |line: &str| match line.split_once('=') {
        Some((name, value)) => Some((name.trim_end().to_owned(), value.to_owned())),
        None => outer(line.trim_end()).map(|value| (line.trim_end().to_owned(), value)),
    };
    lines.filter_map(variable).collect()
}

enum Written {
    None,
    Literal(String),
    Template(String),
}

#[derive(Debug, thiserror::Error)]
enum DotenvError {
    #[error("`{0}` is not a variable: write NAME=VALUE, the name of letters, digits, `_`, `.` and `-`")]
    Name(String),
    #[error("the {0} quote of {1} is never closed")]
    OpenQuote(char, String),
    #[error("`{0}` follows the closing quote of {1}: quote the whole value")]
    AfterQuote(String, String),
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Scanner<'a> {
    fn skip(&mut self, bytes: usize) -> &'a str {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
        skipped
    }

    /// Goes to the next line with something on it, and says which one it is.
    fn next_statement(&mut self) -> Option<usize> {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.skip(blank);
            if self.rest.is_empty() {
                return None;
            }
            if !self.rest.starts_with('#') {
                return Some(self.line);
            }
            self.line();
        }
    }

    /// The rest of the line.
    fn line(&mut self) -> &'a str {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.skip(end).trim_end_matches('\r')
    }

    fn statement(&mut self) -> Result<(String, Written), DotenvError> {
        if let Some(rest) = self.rest.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])) {
            self.skip(self.rest.len() - rest.trim_start_matches([' ', '\t']).len());
        }
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let end = self.rest.find(|c: char| !inner(c)).unwrap_or(self.rest.len());
        let name = self.rest[..end].to_owned();
        let after = self.rest[end..].trim_start_matches([' ', '\t']);
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || !(after.is_empty() || after.starts_with(['=', ':', '\n', '\r', '#'])) {
            return Err(DotenvError::Name(self.line().chars().take(40).collect()));
        }
        self.skip(self.rest.len() - after.len());
        if !self.rest.starts_with(['=', ':']) {
            self.line();
            return Ok((name, Written::None));
        }
        self.skip(1);
        self.skip(self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len());
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote, &name)?,
            _ => {
                let line = self.line();
                let comment = if line.starts_with('#') {
                    Some(0)
                } else {
                    line.find(" #").or_else(|| line.find("\t#"))
                };
                Written::Template(line[..comment.unwrap_or(line.len())].trim_end().to_owned())
            }
        };
        Ok((name, value))
    }

    fn quoted(&mut self, quote: char, name: &str) -> Result<Written, DotenvError> {
        self.skip(1);
        let mut value = String::new();
        let mut chars = self.rest.char_indices();
        let end = loop {
            let Some((at, c)) = chars.next() else {
                self.skip(self.rest.len());
                return Err(DotenvError::OpenQuote(quote, name.to_owned()));
            };
            if c == quote {
                break at + 1;
            }
            match c {
                '\\' if quote == '"' => match chars.next().map(|(_, c)| c) {
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    Some('t') => value.push('\t'),
                    // Still a template.
                    Some('$') => value.push_str("$$"),
                    Some(c @ ('"' | '\\')) => value.push(c),
                    Some(c) => value.extend(['\\', c]),
                    None => {}
                },
                c => value.push(c),
            }
        };
        self.skip(end);
        let after = self.line().trim();
        if !(after.is_empty() || after.starts_with('#')) {
            return Err(DotenvError::AfterQuote(after.chars().take(40).collect(), name.to_owned()));
        }
        Ok(if quote == '\'' { Written::Literal(value) } else { Written::Template(value) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (String, Vec<String>) {
        let report = Report::default();
        let outer = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let variables = parse(".env", text, &outer, &report);
        let shown: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (shown.join("|"), report.errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn variables_are_read_as_compose_reads_them() {
        for (text, expected) in [
            ("A=1\nB = two words # not this\n\n# nor this\nexport C=\"x # y\"\n", "A=1|B=two words|C=x # y"),
            ("A='$B \\n'\nB=\"a\\nb\\$c\"\nC=x#y\n", "A=$B \\n|B=a\nb$c|C=x#y"),
            ("A=1\nB=${A}${HOME}${C:-d}\nA=2", "A=2|B=1/rootd"),
            ("HOME\nNONE\nE=\nF: x\r\nG='a\nb'", "HOME=/root|E=|F=x|G=a\nb"),
            ("\u{feff}A=é", "A=é"),
        ] {
            assert_eq!(read(text), (expected.to_owned(), vec![]), "{text}");
        }
    }

    #[test]
    fn every_line_that_is_wrong_is_named() {
        let (read, errors) = read("A=1\n2B=x\nC x\nD=\"a\" b\nE=${F:?please}\nG='open\nH=1");
        assert_eq!(read, "A=1");
        assert_eq!(
            errors,
            [
                ".env:2:1: `2B=x` is not a variable: write NAME=VALUE, the name of letters, digits, `_`, `.` and `-`",
                ".env:3:1: `C x` is not a variable: write NAME=VALUE, the name of letters, digits, `_`, `.` and `-`",
                ".env:4:1: `b` follows the closing quote of D: quote the whole value",
                ".env:5:1: variable F is required: please",
                ".env:6:1: the ' quote of G is never closed",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-C0=:\"'\\\\$ #\né{}-]{0,60}") {
            let _ = read(&text);
        }
    }
}
