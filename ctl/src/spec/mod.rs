//! Options turned into specs: pure functions that note everything that is wrong.

mod attachments;
mod cluster;
mod create;
mod health;
mod lists;
mod network;
mod payloads;
mod rollout;
mod task;
mod update;

pub use attachments::{NetworkIds, named as networks_named};
pub use cluster::set_cluster;
pub use create::{Surroundings, create};
pub use network::create_network;
pub use payloads::{create_payload, edit_labels, new_content};
pub use task::set_total;
pub use update::{check, edit};

use proto::model::Problems;
use std::{collections::BTreeSet, fmt::Display};

/// Reads the value of an option that was given, noting what is wrong with it.
fn given<T, E: Display>(
    problems: &mut Problems,
    option: &str,
    text: &Option<String>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    text.as_deref().and_then(|text| problems.take(option, read(text)))
}

/// Notes what the managers would refuse as well, once something is wrong already: who has to correct a
/// command is told everything at once. What can be read is left to the managers, which may know more.
fn add_refused<T>(problems: &mut Problems, checked: impl FnOnce() -> Result<T, Problems>) {
    if problems.0.is_empty() {
        return;
    }
    let Err(refused) = checked() else { return };
    let known: BTreeSet<String> = problems.0.iter().map(|problem| problem.field.clone()).collect();
    problems.0.extend(refused.0.into_iter().filter(|problem| !known.contains(&problem.field)));
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
