//! Where something stands: file, line and column, and the path of keys that leads there.

use std::{fmt, sync::Arc};

/// Where something stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1; zero if it stands in no file.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

impl Place {
    /// Something that stands in no file, such as an argument.
    pub fn outside(name: &str) -> Self {
        Self { file: name.into(), line: 0, column: 0 }
    }

    /// The beginning of a file.
    pub fn start_of(file: &str) -> Self {
        Self { file: file.into(), line: 1, column: 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// The keys that lead to something: `services.web.ports[0]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct KeyPath(String);

impl KeyPath {
    /// The path of the whole file.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path of one of its keys.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        if self.0.is_empty() { Self(key.to_owned()) } else { Self(format!("{}.{key}", self.0)) }
    }

    /// The path of one of its elements.
    #[must_use]
    pub fn nth(&self, nth: usize) -> Self {
        Self(format!("{}[{nth}]", self.0))
    }

    /// The path as text; empty for the whole file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value with where it stands, so that whoever finds fault with it later can say where.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
    /// The keys that lead there.
    pub path: KeyPath,
}

/// Where two equal values stand makes no difference to what they say.
impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> At<T> {
    /// Another value that stands at the same place.
    pub fn with<U>(&self, value: U) -> At<U> {
        At { value, place: self.place.clone(), path: self.path.clone() }
    }
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
