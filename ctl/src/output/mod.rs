//! What people and programs see: pure functions from wire messages to text.

pub mod fits;
pub mod history;
pub mod image;
pub mod info;
pub mod inspect;
pub mod json;
pub mod listing;
pub mod logs;
pub mod network_check;
pub mod networks;
pub mod nodes;
pub mod payloads;
pub mod ports;
pub mod pretty;
pub mod progress;
pub mod pull;
pub mod quote;
pub mod screen;
pub mod services;
pub mod sizes;
pub mod stack_changes;
pub mod stack_progress;
pub mod stacks;
pub mod states;
pub mod table;
pub mod tasks;
pub mod template;
pub mod times;

#[cfg(test)]
pub(crate) mod fixtures;
