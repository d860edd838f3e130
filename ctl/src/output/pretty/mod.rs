//! Objects for people, in the layout of docker's `inspect --pretty`.

mod node;
mod payload;
mod service;

pub use node::node;
pub use payload::payload;
pub use service::service;

use std::collections::HashMap;

/// Labels by key, each `KEY=VALUE`, or `KEY` alone if it has no value.
fn label_lines(labels: &HashMap<String, String>, indent: &str) -> String {
    let mut pairs: Vec<_> = labels.iter().collect();
    pairs.sort();
    let line = |(key, value): &(&String, &String)| {
        if value.is_empty() { format!("{indent}{key}\n") } else { format!("{indent}{key}={value}\n") }
    };
    pairs.iter().map(line).collect()
}
