//! Where the values of variables come from: the caller's environment first, then files.

use std::collections::BTreeMap;

/// Variables that were read from a file, behind those that were known before.
pub struct Variables<'a> {
    /// What was known before, and counts more.
    pub outer: &'a dyn Fn(&str) -> Option<String>,
    /// What the file says.
    pub own: BTreeMap<String, String>,
}

impl Variables<'_> {
    /// The value of a variable, if it is set.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.outer)(name).or_else(|| self.own.get(name).cloned())
    }
}
