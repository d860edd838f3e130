//! What is wrong with a file, and what of it is not honoured: all of it, each with its place.

use crate::place::{At, KeyPath, Place};
use std::{cell::RefCell, collections::BTreeSet, fmt};

/// One thing to say about one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// The keys that lead there; empty for a whole file.
    pub path: KeyPath,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{}: {}", self.place, self.message),
            path => write!(f, "{}: {path}: {}", self.place, self.message),
        }
    }
}

/// Everything there is to say. It is passed around by shared reference, so that every reader can add to it.
#[derive(Debug, Default)]
pub struct Report {
    errors: RefCell<BTreeSet<Finding>>,
    warnings: RefCell<BTreeSet<Finding>>,
}

impl Report {
    /// Notes an error.
    pub fn error(&self, place: &Place, path: &KeyPath, message: impl fmt::Display) {
        self.errors.borrow_mut().insert(finding(place, path, message));
    }

    /// Notes a warning.
    pub fn warn(&self, place: &Place, path: &KeyPath, message: impl fmt::Display) {
        self.warnings.borrow_mut().insert(finding(place, path, message));
    }

    /// Takes the value out of a result, noting the error if it is one.
    pub fn take<T, E: fmt::Display>(&self, place: &Place, path: &KeyPath, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.error(place, path, error)).ok()
    }

    /// Reads a value, noting what is wrong with it at its place.
    pub fn read<T, U, E: fmt::Display>(
        &self,
        at: &At<T>,
        read: impl FnOnce(&T) -> Result<U, E>,
    ) -> Option<U> {
        self.take(&at.place, &at.path, read(&at.value))
    }

    /// Whether anything is wrong.
    pub fn has_errors(&self) -> bool {
        !self.errors.borrow().is_empty()
    }

    /// Whether something is wrong at this very place.
    pub fn is_wrong_at(&self, place: &Place) -> bool {
        self.errors.borrow().iter().any(|finding| finding.place == *place)
    }

    /// What is wrong, in the order of files and lines.
    pub fn errors(&self) -> Vec<Finding> {
        self.errors.borrow().iter().cloned().collect()
    }

    /// What is not as one might think, in the order of files and lines.
    pub fn warnings(&self) -> Vec<Finding> {
        self.warnings.borrow().iter().cloned().collect()
    }
}

fn finding(place: &Place, path: &KeyPath, message: impl fmt::Display) -> Finding {
    Finding { place: place.clone(), path: path.clone(), message: message.to_string() }
}
