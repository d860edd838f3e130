//! Texts and spans that several generators need.

use proptest::{collection, prelude::*};
use std::{collections::BTreeMap, time::Duration};

/// Labels of any kind, a few of them.
pub(super) fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    collection::btree_map("[a-z][a-z0-9./_-]{0,20}", "\\PC{0,20}", 0..4)
}

/// `NAME=value` pairs as a process takes them.
pub(super) fn variables() -> impl Strategy<Value = Vec<String>> {
    collection::vec("[A-Z_][A-Z0-9_]{0,10}=[^\\x00{]{0,20}", 0..4)
}

/// Arguments of a process, which may be empty.
pub(super) fn arguments() -> impl Strategy<Value = Vec<String>> {
    collection::vec("[^\\x00]{0,20}", 0..4)
}

/// An absolute path without `..`, and not the root.
pub(super) fn absolute_path() -> impl Strategy<Value = String> {
    "(/[a-z0-9_-]{1,10}){1,4}"
}

/// A span of whole milliseconds from `shortest_ms` up to a year.
pub(super) fn span(shortest_ms: u64) -> impl Strategy<Value = Duration> {
    (shortest_ms..365 * 24 * 3_600_000).prop_map(Duration::from_millis)
}
