//! How a placement constraint compares a property of a node.

use super::constraint::PlacementError;
use regex_lite::{Regex, RegexBuilder};
use std::{cmp::Ordering, fmt};

/// The longest pattern in characters.
const PATTERN_CHARS_MAX: usize = 200;
/// The most memory in bytes that a pattern may take once it is read.
const PATTERN_BYTES_MAX: usize = 64 << 10;

/// What must be said of a property. Texts are compared without regard to case; a property that a node does not have is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// `==VALUE`
    Is(String),
    /// `!=VALUE`
    IsNot(String),
    /// ` in (VALUE,...)`
    In(Vec<String>),
    /// ` notin (VALUE,...)`
    NotIn(Vec<String>),
    /// `=~PATTERN`
    Matches(Pattern),
    /// `<NUMBER`: what is no number is not below.
    Below(Decimal),
    /// `>NUMBER`: what is no number is not above.
    Above(Decimal),
}

/// A regular expression, which may match anywhere in a text.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

/// A number as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(String);

/// Reads a comparison from a constraint's text after the key, spaces included; `whole` is all of the text, for messages.
pub(super) fn parse(after_key: &str, whole: &str) -> Result<Comparison, PlacementError> {
    let value = |text| value(text, whole);
    let text = after_key.trim_start();
    // Words are operators only if they are apart from the key and from what follows.
    let word = |word: &str| {
        let rest = text.strip_prefix(word).filter(|_| text.len() < after_key.len())?;
        rest.starts_with([' ', '\t', '(']).then_some(rest)
    };
    if let Some(rest) = text.strip_prefix("==") {
        value(rest).map(Comparison::Is)
    } else if let Some(rest) = text.strip_prefix("!=") {
        value(rest).map(Comparison::IsNot)
    } else if let Some(rest) = text.strip_prefix("=~") {
        Pattern::new(rest).map(Comparison::Matches)
    } else if let Some(rest) = text.strip_prefix('<') {
        Decimal::new(rest).map(Comparison::Below)
    } else if let Some(rest) = text.strip_prefix('>') {
        Decimal::new(rest).map(Comparison::Above)
    } else if let Some(rest) = word("in") {
        values(rest, whole).map(Comparison::In)
    } else if let Some(rest) = word("notin") {
        values(rest, whole).map(Comparison::NotIn)
    } else {
        Err(PlacementError::NoOperator(shown(whole)))
    }
}

fn values(text: &str, whole: &str) -> Result<Vec<String>, PlacementError> {
    let text = text.trim();
    let bare = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    bare.split(',').map(|one| value(one, whole)).collect()
}

fn value(text: &str, whole: &str) -> Result<String, PlacementError> {
    let text = text.trim();
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | ' ');
    match !text.is_empty() && text.chars().all(is_good) {
        true => Ok(text.to_owned()),
        false => Err(PlacementError::Value(shown(whole))),
    }
}

/// The beginning of what a person wrote.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

impl Comparison {
    /// Whether it names what a node must not be.
    pub fn excludes(&self) -> bool {
        matches!(self, Comparison::IsNot(_) | Comparison::NotIn(_))
    }

    /// Whether it is about numbers.
    pub fn is_of_numbers(&self) -> bool {
        matches!(self, Comparison::Below(_) | Comparison::Above(_))
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Self, PlacementError> {
        let text = text.trim();
        let refused = |why: &str| PlacementError::Pattern(shown(text), why.to_owned());
        if text.is_empty() {
            return Err(refused("it is empty"));
        }
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err(refused(&format!("it has more than {PATTERN_CHARS_MAX} characters")));
        }
        let mut builder = RegexBuilder::new(text);
        let read = builder.case_insensitive(true).size_limit(PATTERN_BYTES_MAX).build();
        read.map(Self).map_err(|error| refused(&error.to_string()))
    }

    /// Whether it matches somewhere in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl Decimal {
    fn new(text: &str) -> Result<Self, PlacementError> {
        let text = text.trim();
        match number(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(PlacementError::Number(shown(text))),
        }
    }

    /// The number.
    pub fn value(&self) -> f64 {
        number(&self.0).unwrap_or(f64::NAN)
    }
}

/// Reads a number: digits, with a sign before and a point between if need be.
pub fn number(text: &str) -> Option<f64> {
    let has_form = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    text.parse().ok().filter(|_| has_form)
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Comparison::Is(value) => write!(f, "=={value}"),
            Comparison::IsNot(value) => write!(f, "!={value}"),
            Comparison::In(values) => write!(f, " in ({})", values.join(",")),
            Comparison::NotIn(values) => write!(f, " notin ({})", values.join(",")),
            Comparison::Matches(Pattern(pattern)) => write!(f, "=~{pattern}"),
            Comparison::Below(Decimal(number)) => write!(f, "<{number}"),
            Comparison::Above(Decimal(number)) => write!(f, ">{number}"),
        }
    }
}
