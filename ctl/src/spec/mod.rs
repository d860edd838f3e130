//! Options turned into specs: pure functions that note everything that is wrong.

mod cluster;
mod create;
mod lists;
mod rollout;
mod task;
mod update;

pub use cluster::set_cluster;
pub use create::{Surroundings, create};
pub use update::{check, edit};

use proto::model::Problems;
use std::fmt::Display;

/// Reads the value of an option that was given, noting what is wrong with it.
fn given<T, E: Display>(
    problems: &mut Problems,
    option: &str,
    text: &Option<String>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    text.as_deref().and_then(|text| problems.take(option, read(text)))
}

/// Reads every value of an option that may be repeated, noting each that is wrong.
fn each<T, E: Display>(
    problems: &mut Problems,
    option: &str,
    texts: &[String],
    read: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    problems.take_all(option, texts.iter().map(|text| read(text)))
}
