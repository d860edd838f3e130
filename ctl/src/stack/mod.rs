//! Stacks: from Compose files to what the managers are asked for.

mod networks;
mod options;
mod service;
mod spec;

pub use spec::{NAMESPACE, stack_spec};

#[cfg(test)]
mod tests;
